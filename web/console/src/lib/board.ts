// The live board: one picture, changed row by row as news comes, and what is made of it for the eye.
import type { AgentState, Board, BoardAgent, BoardCall, BoardQueue } from '@/api/agent-types'
import type { Sorting } from '@/components/ui/table'

export interface BoardRows {
  at: string
  queues: BoardQueue[]
  agents: BoardAgent[]
  calls: BoardCall[]
}
export type BoardEvent = 'board' | 'board.queue' | 'board.agent' | 'board.call' | 'board.gone'
export const boardEvents: BoardEvent[] = ['board', 'board.queue', 'board.agent', 'board.call', 'board.gone']

export const noBoard = (): BoardRows => ({ at: '', queues: [], agents: [], calls: [] })

function put<Row>(rows: Row[], row: Row, key: (row: Row) => string): Row[] {
  const at = rows.findIndex((r) => key(r) === key(row))
  return at < 0 ? [...rows, row] : [...rows.slice(0, at), row, ...rows.slice(at + 1)]
}
const queueKey = (q: BoardQueue): string => q.name
const idKey = (r: { id: string }): string => r.id

/** The board after a piece of news. Rows that did not change stay the very same. */
export function news(board: BoardRows, event: BoardEvent, data: unknown): BoardRows {
  switch (event) {
    case 'board': {
      const whole = data as Board
      return { at: whole.at, queues: whole.queues ?? [], agents: whole.agents ?? [], calls: whole.calls ?? [] }
    }
    case 'board.queue':
      return { ...board, queues: put(board.queues, data as BoardQueue, queueKey) }
    case 'board.agent':
      return { ...board, agents: put(board.agents, data as BoardAgent, idKey) }
    case 'board.call':
      return { ...board, calls: put(board.calls, data as BoardCall, idKey) }
    case 'board.gone': {
      const { kind, id } = data as { kind: 'queue' | 'agent' | 'call'; id: string }
      if (kind === 'queue') return { ...board, queues: board.queues.filter((q) => q.name !== id) }
      if (kind === 'agent') return { ...board, agents: board.agents.filter((a) => a.id !== id) }
      return { ...board, calls: board.calls.filter((c) => c.id !== id) }
    }
  }
}

export interface BoardFilter {
  queue: string // '' is all
  team: string
  offline: boolean // show who is offline
}
export function only(board: BoardRows, f: BoardFilter): BoardRows {
  return {
    at: board.at,
    queues: board.queues.filter((q) => !f.queue || q.name === f.queue),
    agents: board.agents.filter((a) => (f.offline || a.state !== 'offline') && (!f.team || a.team === f.team) && (!f.queue || (a.queues ?? []).includes(f.queue) || a.queue === f.queue)),
    calls: board.calls.filter((c) => !f.queue || c.queue === f.queue),
  }
}

/** Agents by what they do, for one line of figures. */
export interface Staff {
  ready: number
  talking: number
  wrap: number
  away: number
}
const group: Record<AgentState, keyof Staff | null> = {
  ready: 'ready', reserved: 'talking', ringing: 'talking', talking: 'talking', wrap_up: 'wrap', not_ready: 'away', not_responding: 'away', offline: null,
}
export function staffOf(states: Partial<Record<AgentState, number>> | null): Staff {
  const staff: Staff = { ready: 0, talking: 0, wrap: 0, away: 0 }
  for (const [state, n] of Object.entries(states ?? {})) {
    const into = group[state as AgentState]
    if (into) staff[into] += n
  }
  return staff
}
export function statesOf(agents: BoardAgent[]): Partial<Record<AgentState, number>> {
  const states: Partial<Record<AgentState, number>> = {}
  for (const a of agents) states[a.state] = (states[a.state] ?? 0) + 1
  return states
}

export interface Totals {
  waiting: number
  longestSince: string | null
  answered: number
  abandoned: number
  callbacks: number
  serviceLevel: number | null // of all queues shown: answered in time of those who count
}
export function totals(queues: BoardQueue[]): Totals {
  let within = 0
  let counted = 0
  const t: Totals = { waiting: 0, longestSince: null, answered: 0, abandoned: 0, callbacks: 0, serviceLevel: null }
  for (const q of queues) {
    t.waiting += q.waiting
    t.callbacks += q.callbacks
    t.answered += q.today.answered
    t.abandoned += q.today.abandoned
    if (q.longest_since && (!t.longestSince || q.longest_since < t.longestSince)) t.longestSince = q.longest_since
    const of = q.today.answered + q.today.abandoned
    if (q.today.service_level !== null) {
      within += q.today.service_level * of
      counted += of
    }
  }
  if (counted > 0) t.serviceLevel = within / counted
  return t
}

type Value = string | number | null

/** Rows in the order that is asked for; what is equal, by name, so that nothing changes its place for nothing. Nothing comes last. */
export function sorted<Row>(rows: Row[], by: Sorting, value: (row: Row, key: string) => Value, name: (row: Row) => string): Row[] {
  const sign = by.down ? -1 : 1
  return rows
    .map((row) => ({ row, v: value(row, by.key), n: name(row) }))
    .sort((a, b) => {
      if (a.v === null || b.v === null) return Number(a.v === null) - Number(b.v === null) || a.n.localeCompare(b.n)
      const order = typeof a.v === 'number' && typeof b.v === 'number' ? a.v - b.v : String(a.v).localeCompare(String(b.v))
      return sign * order || a.n.localeCompare(b.n)
    })
    .map(({ row }) => row)
}

/** How a wait looks against the time that the service level allows: within it, near its end, over it. */
export function urgency(waitedMs: number, thresholdS: number): 'plain' | 'warn' | 'alarm' {
  if (waitedMs > thresholdS * 1000) return 'alarm'
  return waitedMs > thresholdS * 500 ? 'warn' : 'plain'
}
