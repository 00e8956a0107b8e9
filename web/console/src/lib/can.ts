// What a person may do: the server says it with the session. What it would refuse is not shown.
import type { Role } from '@/api/types'

const agent = ['tickets.read', 'tickets.write', 'calls.read', 'calls.take', 'calls.dial', 'recordings.play', 'queues.read'] as const
const supervisor = ['calls.supervise', 'board.read', 'agents.read', 'agents.write', 'queues.write', 'recordings.download', 'audit.read'] as const
const engineer = ['traces.read', 'setup.read', 'setup.write', 'queues.write', 'board.read', 'agents.read', 'agents.write'] as const
const admin = ['accounts.manage'] as const

export type Ability = (typeof agent | typeof supervisor | typeof engineer | typeof admin)[number]

/** Until the server has said it: what each role grants by the server's table (web/login/role.go). */
const table: Record<Role, readonly Ability[]> = {
  agent,
  supervisor: [...agent, ...supervisor],
  engineer: [...agent, ...engineer],
  admin: [...agent, ...supervisor, ...engineer, ...admin],
}

export function may(role: Role | undefined, ability: Ability, granted?: readonly string[] | null): boolean {
  if (role === undefined) return false
  return (granted ?? table[role] ?? agent).includes(ability)
}
