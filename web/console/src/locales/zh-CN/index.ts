import { desk } from './desk'
import { errors } from './errors'
import { setup } from './setup'

export const zhCN = { ...desk, ...setup, ...errors }
