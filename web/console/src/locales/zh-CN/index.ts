import { board } from './board'
import { desk } from './desk'
import { errors } from './errors'
import { phone } from './phone'
import { setup } from './setup'
import { team } from './team'

export const zhCN = { ...desk, ...phone, ...setup, ...team, ...board, ...errors }
