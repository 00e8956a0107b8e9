// The words of `hotline.v1`, the JSON of the one websocket (softphone/asyncapi.yaml). Times are RFC 3339 in UTC.
import type { Level, PathStep, Person, TicketState, Title } from '@/api/types'

export type AgentState = 'offline' | 'ready' | 'not_ready' | 'reserved' | 'ringing' | 'talking' | 'wrap_up' | 'not_responding'
export interface AgentView {
  id: string
  name: string
  state: AgentState
  reason: string
  since: string
  deadline: string | null
  queue: string
  call_id: string
  after: { state: AgentState; reason: string } | null
  queues: string[] | null
  skills: Record<string, number> | null
}
export interface PhoneView {
  active: 'this' | 'other' | 'none'
  media: 'none' | 'connecting' | 'up' | 'lost'
}
export interface Colleague {
  id: string
  name: string
  state: AgentState
}
export interface NamedTitle {
  name: string
  title: Title
}
export interface Config {
  reasons: NamedTitle[] | null
  codes: (NamedTitle & { queue: string | null })[] | null
  queues: NamedTitle[] | null
  agents: Colleague[] | null
  pop_url?: string | null
  ice?: { servers: string[] | null } | null
}

export interface PopParty {
  id: string
  name: string
  company: string
  vip: boolean
  notes: string
  language: string
}
export interface PopMatch {
  party: PopParty
  level: Level
}
export interface PopTicket {
  number: number
  subject: string
  state: TicketState
  queue: string
  updated_at: string
}
export interface PopContact {
  kind: string
  at: string
  ticket: number | null
  subject?: string // of the ticket
  summary: string
  result: string
}
export interface Pop {
  call_id: string
  direction: 'in' | 'out'
  caller: { number: string; name: string; verified: boolean; withheld: boolean }
  language: string
  queue: string
  waited_ms: number
  path: PathStep[] | null
  ticket: PopTicket | null
  matches: PopMatch[] | null
  party?: string // of the matches, whom the ticket of the call belongs to
  open_tickets: PopTicket[] | null
  contacts: PopContact[] | null
  pop_url: string | null
}
export interface OfferView {
  id: string
  kind: 'queue' | 'direct' | 'consult' | 'callback'
  queue: NamedTitle | null
  call_id: string
  at: string
  ring_until: string
  from: Person | null
  pop: Pop
}

export type TargetKind = 'queue' | 'agent' | 'number'
export interface Target {
  kind: TargetKind
  value: string
}
export type CallPhase = 'dialing' | 'talking' | 'held' | 'consulting' | 'conference' | 'away'
export interface CallParty {
  id: string
  kind: 'caller' | 'agent' | 'number' | 'supervisor'
  name: string
  number: string
  role: string // talking, held, away
  away_until?: string | null
}
export interface ConsultView {
  to: Target & { name: string }
  by?: string // the agent who asks
  state: 'ringing' | 'talking' | 'failed'
  active: 'caller' | 'consult'
  why?: string
}
export interface CallView {
  id: string
  direction: 'in' | 'out'
  phase: CallPhase
  started_at: string
  answered_at: string | null
  queue: string
  ticket: number | null
  held: boolean
  muted: boolean
  recording: 'on' | 'paused' | 'off'
  consult: ConsultView | null
  parties: CallParty[] | null
  lost?: LostParty[] | null
  pop: Pop | null
}
/** Was in the call before Hotline was started anew, and could not be connected again. */
export interface LostParty {
  name: string
  number: string
  consult: boolean
}
export interface WrapView {
  call_id: string
  ticket: number | null
  queue: string
  mode: 'optional' | 'mandatory' | 'timed'
  deadline: string | null
  codes: (NamedTitle & { queue?: string | null })[] | null
  default_code: string
}
export interface WayQuality {
  loss: number // share, 0 to 1
  jitter_ms: number
  rtt_ms: number
  mos: number // 0: nothing to tell from
}
export interface QualityView {
  call_id: string
  agent: WayQuality | null
  caller: WayQuality | null
  one_way: null | '' | 'caller' | 'agent' // who is not heard
}
export interface Snapshot {
  agent: AgentView | null
  phone: PhoneView
  offers: OfferView[] | null
  call: CallView | null
  wrap: WrapView | null
  supervise?: { call_id: string; mode: string } | null
  config: Config
}
export interface Hello {
  stream: string
  seq: number
  snapshot: Snapshot | null
  server_time: string
}
export interface Notice {
  code: string
  text?: string
  args?: Record<string, string | number>
}

export interface Problem {
  status?: number
  code?: string
  title?: string
  detail?: string
  errors?: { path: string; message: string; code?: string }[]
}
export interface Frame {
  reply?: string
  ok?: boolean
  data?: unknown
  problem?: Problem
  seq?: number
  event?: string
}
