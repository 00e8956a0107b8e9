// The shapes of API v1 as the console uses them. Times are RFC 3339 in UTC.

export interface Page<T> {
  items: T[]
  next: string | null
}

export type Role = 'agent' | 'supervisor' | 'engineer' | 'admin'
export type Locale = 'en' | 'zh-CN'

export interface Account {
  id: string
  login: string
  name: string
  role: Role
  locale: Locale
  timezone: string
  scope?: ScopeKind
  disabled?: boolean
  disabled_at?: string | null
  created_at?: string
}
export type ScopeKind = 'own' | 'team' | 'queue' | 'all'
/** Whose work somebody sees. */
export interface Scope {
  kind: ScopeKind
  queues: string[] | null
  people?: string[] | null // accounts
}
export interface Session {
  account: Account
  csrf: string
  permissions?: string[]
  scope?: Scope
  agent?: boolean // may take calls
  unread_mentions?: number
}

export type TicketState = 'new' | 'open' | 'pending' | 'resolved' | 'closed'
export type Priority = 'low' | 'normal' | 'high' | 'urgent'
export type Level = 'verified' | 'known' | 'maybe'

export interface Person {
  id: string
  name: string
}
export interface TicketParty {
  id: string
  name: string
  company: string
  phone: string
  level: Level | ''
  vip: boolean
}
export interface Ticket {
  number: number
  subject: string
  state: TicketState
  priority: Priority
  queue: string
  channel: string
  language: string
  owner: Person | null
  party: TicketParty | null
  waiting_since: string | null
  next_due_at: string | null
  created_at: string
  updated_at: string
  version: number
}
export interface Identity {
  id?: string
  kind: string
  value: string
  level: Level
}
export interface TicketCall {
  id: string
  started_at: string
  direction: string
  result: string
  duration_ms: number | null
  recording_ids: string[] | null
}
export interface TicketDetail extends Ticket {
  category: string
  fields: Record<string, unknown> | null
  tasks: Task[] | null
  calls: TicketCall[] | null
  identities: Identity[] | null
}
export interface Task {
  id: string
  kind: 'callback' | 'follow_up'
  ticket: number
  subject?: string
  party?: TicketParty | null
  call_id?: string | null
  phone: string
  reason: string
  queue: string
  due_at: string
  state: 'open' | 'done' | 'cancelled'
  done_by?: string
  done_at?: string | null
  created_at: string
}

export interface PathStep {
  at: string
  node: string
  kind: string
  digits?: string
}
export interface Recording {
  id: string
  call_id: string
  ticket: number | null
  kind: 'call' | 'voicemail'
  state: 'recording' | 'complete' | 'partial' | 'expired' | 'lost'
  channels: number
  duration_ms: number
  bytes: number
  started_at: string
  expires_at: string | null
  waveform: number[][] | null
}
export interface TimelineCall {
  id: string
  direction?: 'in' | 'out'
  result: string
  started_at: string
  answered_at: string | null
  ended_at: string | null
  duration_ms: number | null
  queue: string
  path: PathStep[] | null
  recordings: Recording[] | null
}
export interface TimelineEvent {
  seq: number
  kind: string
  actor: Person | null
  at: string
  data: Record<string, unknown> | null
  interaction: { id: string; kind: string; body: string } | null
  call: TimelineCall | null
}

export interface Cause {
  q850: number
  sip: number
  text: string
  by: string
}
export interface Call {
  id: string
  direction: 'in' | 'out'
  phase: string
  caller: string
  caller_name: string
  verified: boolean
  dialled: string
  trunk_name: string
  flow: string
  queue: string
  ticket: number | null
  started_at: string
  answered_at: string | null
  ended_at: string | null
  duration_ms: number | null
  result: string
  cause: Cause | null
}
export interface Segment {
  kind: string
  queue: string
  started_at: string
  ended_at: string
  duration_ms: number
  reason: string
}
export interface Quality {
  codec?: string
  packets_sent?: number
  packets_received?: number
  lost?: number
  jitter_ms?: number
  rtt_ms?: number
  remote_lost?: number
  remote_jitter_ms?: number
  mos?: number
  late?: number
  concealed?: number
  delay_ms?: number
}
export interface Leg {
  id: string
  direction: 'in' | 'out'
  edge: string
  foreign_id: string
  remote: string
  codec: string
  started_at: string
  answered_at: string | null
  ended_at: string | null
  cause: Cause | null
  quality: Quality | null
}
export interface CallDetail extends Call {
  language: string
  path: PathStep[] | null
  segments: Segment[] | null
  legs: Leg[] | null
  recordings: Recording[] | null
}
export interface SipMessage {
  seq: number
  at: string
  sent: boolean
  transport: string
  local: string
  remote: string
  summary: string
  body: string
}

export interface Party {
  id: string
  kind: 'person' | 'organisation'
  name: string
  company: string
  language: string
  vip: boolean
  notes: string
  identities?: Identity[] | null
  tickets?: Ticket[] | null
  version: number
  created_at: string
  updated_at: string
}
export interface SearchHit {
  kind: 'ticket' | 'note' | 'party' | 'call'
  ref?: string
  ticket: number | null
  title: string
  snippet: string
  internal?: string
  at: string
}

export interface TrunkSettings {
  match_addresses?: string[] | null
  match_digest?: { username: string; password?: string; password_set?: boolean } | null
  register?: { registrar: string; username: string; auth_username?: string; realm?: string; password?: string; password_set?: boolean; expires_s?: number } | null
  host?: string
  port?: number
  transport?: string
  codecs?: string[] | null
  dtmf?: string
  country?: string
  national_prefix?: string
  international_prefix?: string
  trusted_identity?: boolean
  max_calls?: number
  max_cps?: number
  options_interval_s?: number
  srtp?: boolean
  session_timer_s?: number
  edge?: string
  dial?: string
}
export interface AsteriskNode {
  name: string
  connected: boolean
  since: string | null
  draining: boolean
  drained_by: string
  drained_at: string | null
  version: string
  warnings: { code: string; text: string }[]
  rtt_ms: number
  calls: number
  counts: { accepted: number; refused: number; rejected: number; dialled: number; lost: number; adopted: number; swept: number; reconnects: number }
  last_error: string
  last_error_code: string
}
export interface TrunkState {
  status: 'up' | 'down' | 'unknown' | 'disabled'
  since: string | null
  rtt_ms: number
  registered: boolean
  calls: number
  last_error: string
  last_error_code?: string
  last_error_detail?: string
}
export interface Trunk {
  id: string
  name: string
  enabled: boolean
  settings: TrunkSettings
  version: number
  state: TrunkState | null
}
export interface PhoneNumber {
  number: string
  title: string
  flow: string
  queue: string | null
  trunk_id: string | null
  language: Locale
  version: number
}
export type Title = Partial<Record<Locale, string>>
export interface Queue {
  members?: number
  name: string
  title: Title
  settings: Record<string, unknown>
  version: number
  waiting: number
}
export interface FlowSummary {
  name: string
  title: Title | null
  published_version: number | null
  published_at: string | null
  published_by: string | null
  has_draft: boolean
  draft_at: string | null
  draft_by: string | null
  numbers: string[] | null
}
export interface FlowProblem {
  line: number
  field: string
  code: string
  message: string
}
export interface OutlineNode {
  id: string
  kind: string
  title: string
  summary: Title
  line: number
  next: { on: string; to: string }[] | null
}
export interface FlowVersion {
  version: number
  published_at: string
  published_by: string
  comment: string
  source?: string
}
export interface Flow extends FlowSummary {
  source: string
  published_source: string
  problems: FlowProblem[] | null
  outline: OutlineNode[] | null
  versions: FlowVersion[] | null
}
export interface Prompt {
  name: string
  language: Locale
  kind: 'audio' | 'speech'
  text: string
  duration_ms: number
  version: number
  updated_at: string
  updated_by: string
  built_in?: boolean
}
export interface Range {
  from: string
  to: string
}
export interface Schedule {
  weekly: (Range & { day: string })[] | null
  holidays: { date: string; name: string; open: Range[] | null }[] | null
  overrides: { from: string; to: string; open: boolean; reason: string }[] | null
}
export interface Hours {
  name: string
  title: Title
  timezone: string
  schedule: Schedule
  version: number
  open_now: boolean
  next_change: string | null
}
export interface Token {
  id: string
  name: string
  role: Role
  created_at: string
  expires_at: string | null
  revoked_at?: string | null
  token?: string
}
export interface AuditEntry {
  seq: number
  at: string
  actor: Person
  action: string
  subject: string
  remote: string
  data: Record<string, unknown> | null
}
export interface SystemStatus {
  version: string
  degraded: boolean
  journal_depth: number
  quarantined: number
  database: 'ok' | 'away'
  sip: { listening: boolean; udp: string; tcp: string; tls: string; legs: number; half_open: number; trunks_up: number; trunks_down: string[] | null }
  asterisks: string[]
  asterisks_down: string[]
  media: { ports_in_use: number; ports: number }
  calls: { live: number; max: number }
}
