import { desk } from './desk'
import { errors } from './errors'
import { phone } from './phone'
import { setup } from './setup'

export const en = { ...desk, ...phone, ...setup, ...errors }
