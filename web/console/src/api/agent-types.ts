// The shapes of agents, teams and the live board.
import type { Person, Title } from './types'

export type AgentState = 'offline' | 'ready' | 'not_ready' | 'reserved' | 'ringing' | 'talking' | 'wrap_up' | 'not_responding'
export type SkillLevel = 1 | 2 | 3 | 4 | 5

export interface Agent {
  id: string // of the account
  login: string
  name: string
  role: string
  agent: boolean // whether the account takes calls
  team: string
  queues: string[] | null
  skills: Record<string, number> | null
  capacity: number
  state: AgentState
  reason: string
  since: string | null
  version: number
}

/** What has a name that others refer to and a title a language: skills, reasons, codes, teams. */
export interface Named {
  name: string
  title: Title
  version: number
}
export interface Team extends Named {
  queues: string[] | null
  supervisors: string[] | null // ids of accounts
  members?: number
}
export interface Skill extends Named {
  agents?: number
}
export interface PauseReason extends Named {
  position?: number
}
export interface WrapCode extends Named {
  queue: string | null // null: every queue
}

export interface BoardQueue {
  name: string
  title?: Title
  waiting: number
  longest_since: string | null // when who waits longest came in
  answered: number
  abandoned: number
  callbacks: number
  service_level: number | null // today, 0 to 1; null when nobody has called
}
export interface BoardAgent {
  id: string
  name: string
  team: string
  state: AgentState
  reason: string
  since: string
  deadline: string | null
  queue: string
  queues: string[] | null
  call_id: string
}
export interface BoardCall {
  id: string
  queue: string
  direction: 'in' | 'out'
  caller: { number: string; name: string }
  agent: Person | null
  phase: string
  started_at: string
  since: string
  supervisors: (Person & { mode: SuperviseMode })[] | null
}
export interface Board {
  queues: BoardQueue[] | null
  agents: BoardAgent[] | null
  calls: BoardCall[] | null
}
export type SuperviseMode = 'listen' | 'whisper' | 'barge'

export interface Mention {
  id: string
  ticket: number
  subject: string
  by: Person
  at: string
  excerpt: string
  read_at: string | null
}
export interface Attachment {
  id: string
  name: string
  size: number
  type: string
}

export interface OutboundRoute {
  id: string
  name: string
  enabled: boolean
  position: number
  prefixes: string[] | null
  trunks: string[] | null // ids, in the order they are tried
  version: number
}
