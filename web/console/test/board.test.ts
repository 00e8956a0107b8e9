// The live board: news row by row, filters, figures, order, and rows that stay in place.
import { describe, expect, it } from 'vitest'
import type { BoardAgent, BoardCall, BoardQueue, Figures } from '../src/api/agent-types'
import { news, noBoard, only, sorted, staffOf, statesOf, totals, urgency } from '../src/lib/board'
import { steady } from '../src/components/board/steady'

const figures = (f: Partial<Figures> = {}): Figures => ({
  offered: 0, answered: 0, abandoned: 0, short_abandons: 0, callbacks: 0, voicemails: 0, timeouts: 0, service_level: null, abandon_rate: null, asa_ms: null, aht_ms: null,
  threshold_s: 20, short_s: 5, formula: '', ...f,
})
const queue = (name: string, q: Partial<BoardQueue> = {}): BoardQueue => ({ name, title: { en: name }, waiting: 0, callbacks: 0, longest_since: null, today: figures(), agents: {}, ...q })
const agent = (id: string, a: Partial<BoardAgent> = {}): BoardAgent => ({
  id, name: id, team: '', state: 'ready', reason: '', since: '2026-03-01T08:00:00Z', deadline: null, queue: '', call_id: '', queues: ['support'], calls: 0, occupancy: null, ...a,
})
const call = (id: string, c: Partial<BoardCall> = {}): BoardCall => ({
  id, queue: 'support', direction: 'in', caller: { number: '+8613800000000', name: '' }, agent: null, phase: 'queued', started_at: '2026-03-01T08:00:00Z', since: '2026-03-01T08:00:00Z', supervisors: [], ...c,
})
const board = () => news(noBoard(), 'board', { at: 't', queues: [queue('support'), queue('sales')], agents: [agent('a'), agent('b', { state: 'offline' })], calls: [call('1'), call('2', { queue: 'sales' })] })

describe('news', () => {
  it('replaces one row and leaves the others the same', () => {
    const before = board()
    const after = news(before, 'board.queue', queue('sales', { waiting: 3 }))
    expect(after.queues.map((q) => q.waiting)).toEqual([0, 3])
    expect(after.queues[0]).toBe(before.queues[0])
    expect(after.agents).toBe(before.agents)
  })
  it('adds who is new and takes away what is gone', () => {
    let b = news(board(), 'board.call', call('3'))
    b = news(b, 'board.agent', agent('c'))
    expect([b.calls.length, b.agents.length]).toEqual([3, 3])
    b = news(b, 'board.gone', { kind: 'call', id: '1' })
    b = news(b, 'board.gone', { kind: 'agent', id: 'a' })
    b = news(b, 'board.gone', { kind: 'queue', id: 'support' })
    expect([b.calls.map((c) => c.id), b.agents.map((a) => a.id), b.queues.map((q) => q.name)]).toEqual([['2', '3'], ['b', 'c'], ['sales']])
  })
  it('takes a whole board whose lists are missing', () => {
    expect(news(board(), 'board', { at: 'x', queues: null, agents: null, calls: null })).toEqual({ at: 'x', queues: [], agents: [], calls: [] })
  })
})

describe('filter', () => {
  it('shows who is offline only when asked', () => {
    expect(only(board(), { queue: '', team: '', offline: false }).agents.map((a) => a.id)).toEqual(['a'])
    expect(only(board(), { queue: '', team: '', offline: true }).agents).toHaveLength(2)
  })
  it('by queue: its calls, and who works in it or is busy with it', () => {
    let b = news(board(), 'board.agent', agent('c', { queues: ['sales'] }))
    b = news(b, 'board.agent', agent('d', { queues: [], queue: 'sales', state: 'talking' }))
    const sales = only(b, { queue: 'sales', team: '', offline: false })
    expect([sales.queues.map((q) => q.name), sales.agents.map((a) => a.id), sales.calls.map((c) => c.id)]).toEqual([['sales'], ['c', 'd'], ['2']])
  })
})

describe('figures', () => {
  it('weigh the service level by the calls of each queue, and skip queues without any', () => {
    const t = totals([
      queue('a', { waiting: 1, longest_since: '2026-03-01T08:00:10Z', today: figures({ answered: 8, abandoned: 2, service_level: 0.5 }) }),
      queue('b', { waiting: 2, longest_since: '2026-03-01T08:00:05Z', today: figures({ answered: 30, abandoned: 0, service_level: 1 }) }),
      queue('c'),
    ])
    expect(t).toMatchObject({ waiting: 3, answered: 38, abandoned: 2, longestSince: '2026-03-01T08:00:05Z' })
    expect(t.serviceLevel).toBeCloseTo(35 / 40)
    expect(totals([queue('c')]).serviceLevel).toBeNull()
  })
  it('count who is ringing as busy and leave out who is offline', () => {
    expect(staffOf(statesOf([agent('a'), agent('b', { state: 'ringing' }), agent('c', { state: 'wrap_up' }), agent('d', { state: 'not_responding' }), agent('e', { state: 'offline' })]))).toEqual({ ready: 1, talking: 1, wrap: 1, away: 1 })
  })
  it('warn at half of the threshold and alarm beyond it', () => {
    expect([urgency(9_000, 20), urgency(11_000, 20), urgency(21_000, 20)]).toEqual(['plain', 'warn', 'alarm'])
  })
})

describe('order', () => {
  const rows = [queue('b', { waiting: 2 }), queue('a', { waiting: 2 }), queue('c', { waiting: 5 }), queue('d', { today: figures({ service_level: 0.3 }) })]
  const value = (q: BoardQueue, key: string) => (key === 'level' ? q.today.service_level : key === 'name' ? q.name : q.waiting)
  const names = (key: string, down: boolean) => sorted(rows, { key, down }, value, (q) => q.name).map((q) => q.name).join('')
  it('is by the value, equals by name either way, and nothing comes last either way', () => {
    expect(names('waiting', true)).toBe('cabd')
    expect(names('waiting', false)).toBe('dabc')
    expect(names('level', true)).toBe('dabc')
    expect(names('level', false)).toBe('dabc')
    expect(names('name', true)).toBe('dcba')
  })
  it('stays while held: known rows keep their places, new ones come last, gone ones go', () => {
    const [b, a, c] = rows as [BoardQueue, BoardQueue, BoardQueue, BoardQueue]
    const fresh = { ...a, waiting: 9 }
    const shown = steady([c, fresh, queue('z')], [b, a, c], (q) => q.name)
    expect(shown.map((q) => q.name)).toEqual(['a', 'c', 'z'])
    expect(shown[0]).toBe(fresh)
  })
})
