// The shapes of agents, teams and the live board.
import type { AgentState } from '@/softphone/protocol'
import type { Person, Role, Title } from './types'

export type { AgentState }


export interface Agent {
  id: string // of the account
  login: string
  name: string
  role: Role
  team: string // "": none
  queues: string[] | null
  skills: Record<string, number> | null // levels 1 to 5
  capacity: number
  state: AgentState | ''
  reason: string
  since: string | null
  call_id: string | null
  disabled?: boolean
  version: number
}

/** What has a name that others refer to and a title a language: skills, reasons, codes, teams. */
export interface Named {
  name: string
  title: Title
  version: number
}
export interface Team extends Named {
  supervisors: Person[] | null
  members?: number
}
export interface Skill extends Named {
  agents?: number // who have it
}
export interface PauseReason extends Named {
  order: number
  max_s?: number
}
export interface WrapCode extends Named {
  queue: string | null // null: every queue
  order: number
}
export interface Members {
  items: (Person & { team: string })[] | null
  supervisors: Person[] | null // of the teams of those who work in it
}

/** What a queue did since the day began. */
export interface Figures {
  offered: number
  answered: number
  abandoned: number
  short_abandons: number
  callbacks: number
  voicemails: number
  timeouts: number
  service_level: number | null // 0 to 1; null: nobody was answered or abandoned
  abandon_rate: number | null
  asa_ms: number | null
  aht_ms: number | null
  threshold_s: number
  short_s: number
  formula: string
}
export interface BoardQueue {
  name: string
  title: Title | null
  waiting: number
  callbacks: number
  longest_since: string | null // when the one came who waits longest
  today: Figures
  agents: Partial<Record<AgentState, number>> | null
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
  call_id: string
  queues: string[] | null
  calls: number // answered today
  occupancy: number | null
}
export interface BoardCall {
  id: string
  queue: string
  direction: 'in' | 'out'
  caller: { number: string; name: string }
  agent: Person | null
  number?: string // outside, with whom the caller talks
  phase: string
  started_at: string
  since: string // of the phase
  supervisors: (Person & { mode: SuperviseMode })[] | null
}
export interface Board {
  at: string
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
  seq?: number
  excerpt: string
  read_at: string | null
}
export interface Attachment {
  id: string
  name: string
  media: string
  bytes: number
  by: Person | null
  at: string
}

export interface OutboundRoute {
  id: string
  name: string
  enabled: boolean
  position: number // 1 is asked first
  trunks: string[] | null // ids, the first is tried first
  settings: { prefixes: string[] | null; strip?: number; prepend?: string; caller_id?: string; premium?: boolean; max_calls?: number }
  version: number
}
/** What may be called in all; 0 is no limit. */
export interface OutboundLimits {
  calls_per_day: number
  minutes_per_day: number
  agent_calls_per_day: number
  agent_minutes_per_day: number
  max_minutes: number
  deny: string[] | null
  roles: Role[] | null
  version: number
}
export interface OutboundUsage {
  day: string
  calls: number
  minutes: number
  refused: number
  live: number
  agents: { agent: string; calls: number; minutes: number }[] | null
}
