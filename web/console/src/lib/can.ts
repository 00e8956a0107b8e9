import type { Role } from '@/api/types'

/** What each role may do, as the server's table has it (web/login/role.go). The server decides; this keeps out of sight what it would refuse. */
const agent = ['ticket.write', 'recording.play', 'queue.read'] as const
const supervisor = ['recording.download', 'queue.write', 'audit.read'] as const
const engineer = ['call.trace', 'setup.telephony', 'queue.write', 'system.read'] as const
const admin = ['account.write'] as const

export type Ability = (typeof agent | typeof supervisor | typeof engineer | typeof admin)[number]

const table: Record<Role, readonly Ability[]> = {
  agent,
  supervisor: [...agent, ...supervisor],
  engineer: [...agent, ...engineer],
  admin: [...agent, ...supervisor, ...engineer, ...admin],
}

export function may(role: Role | undefined, ability: Ability): boolean {
  return role !== undefined && (table[role] ?? agent).includes(ability)
}
