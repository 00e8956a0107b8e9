// The softphone's socket: what it says first, what it does when the line is cut, and that no event is lost or taken twice.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiError } from '../src/api/client'
import { Client, pingEvery, pongWithin, replyWithin, type WireSocket } from '../src/softphone/client'

class Wire implements WireSocket {
  readyState = 0
  onopen: (() => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  onmessage: ((event: { data: unknown }) => void) | null = null
  onerror: (() => void) | null = null
  sent: { id: string; cmd: string; data: Record<string, unknown> }[] = []
  closed = false
  send(text: string): void {
    this.sent.push(JSON.parse(text) as Wire['sent'][number])
  }
  close(): void {
    this.closed = true
  }
  say(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) })
  }
  last(cmd: string): Wire['sent'][number] {
    return this.sent.filter((m) => m.cmd === cmd).at(-1)!
  }
  async answer(cmd: string, data: object): Promise<void> {
    this.say({ reply: this.last(cmd).id, ok: true, data })
    await vi.advanceTimersByTimeAsync(0)
  }
}
const at = '2026-03-01T12:00:00Z'
const hello = (seq: number, snapshot: object | null = {}, stream = 'a'): object => ({ stream, seq, snapshot, server_time: at })

function set() {
  const wires: Wire[] = []
  const events: [string, unknown][] = []
  const seen = { opened: 0, down: 0, refused: 0, ended: [] as string[], skew: 0 }
  const client = new Client({
    session: 'tab-1',
    connect: () => {
      wires.push(new Wire())
      return wires.at(-1)!
    },
    onEvent: (event, data) => events.push([event, data]),
    onOpen: () => seen.opened++,
    onDown: () => seen.down++,
    onRefused: () => seen.refused++,
    onEnded: (why) => seen.ended.push(why),
    onSkew: (ms) => (seen.skew = ms),
  })
  const wire = (): Wire => wires.at(-1)!
  const connect = async (data = hello(10)): Promise<void> => {
    wire().onopen?.()
    await wire().answer('hello', data)
  }
  return { client, wires, events, seen, wire, connect }
}

beforeEach(() => void vi.useFakeTimers({ now: Date.parse(at) - 4000 }))
afterEach(() => vi.useRealTimers())

describe('socket', () => {
  it('says hello first, and nothing can be sent before it is answered', async () => {
    const s = set()
    s.client.start()
    await expect(s.client.send('agent.ready')).rejects.toMatchObject({ code: 'network.offline' })
    s.wire().onopen?.()
    expect(s.wire().sent).toEqual([{ id: 'c1', cmd: 'hello', data: { session: 'tab-1', resume: null } }])
    await s.wire().answer('hello', hello(10))
    expect(s.seen.opened).toBe(1)
    expect(s.seen.skew).toBe(4000)
  })
  it('gives each reply to its command, and a refusal as the API gives it', async () => {
    const s = set()
    s.client.start()
    await s.connect()
    const one = s.client.send('call.hold')
    const two = s.client.send('call.digits', { digits: '5' })
    const ids = s.wire().sent.slice(-2).map((m) => m.id)
    s.wire().say({ reply: ids[1], ok: true, data: { n: 2 } })
    s.wire().say({ reply: ids[0], ok: false, problem: { status: 409, code: 'call.over', detail: 'this call is over' } })
    await expect(two).resolves.toEqual({ n: 2 })
    const error = await one.catch((e: unknown) => e)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status: 409, code: 'call.over', conflict: true })
  })
  it('resumes after the last event it saw and takes none twice', async () => {
    const s = set()
    s.client.start()
    await s.connect(hello(10))
    s.wire().say({ seq: 11, event: 'agent', data: 1 })
    s.wire().say({ seq: 12, event: 'offer', data: 2 })
    s.wire().onclose?.({ code: 1006 })
    expect(s.seen.down).toBe(1)
    await vi.advanceTimersByTimeAsync(50)
    expect(s.wires).toHaveLength(2)
    s.wire().onopen?.()
    expect(s.wire().last('hello').data.resume).toEqual({ stream: 'a', seq: 12 })
    s.wire().say({ seq: 13, event: 'call', data: 3 }) // may overtake the reply
    await s.wire().answer('hello', hello(12, null))
    s.wire().say({ seq: 12, event: 'offer', data: 2 })
    s.wire().say({ seq: 14, event: 'call', data: 4 })
    expect(s.events.map(([, d]) => d)).toEqual([1, 2, 3, 4])
  })
  it('begins anew where a snapshot stands', async () => {
    const s = set()
    s.client.start()
    await s.connect(hello(900))
    s.wire().onclose?.({ code: 1006 })
    await vi.advanceTimersByTimeAsync(50)
    await s.connect(hello(3, {}, 'b'))
    s.wire().say({ seq: 4, event: 'agent', data: 'first of the new stream' })
    expect(s.events).toEqual([['agent', 'first of the new stream']])
  })
  it('drops a line on which an event is missing and asks for it', async () => {
    const s = set()
    s.client.start()
    await s.connect(hello(10))
    s.wire().say({ seq: 12, event: 'agent', data: 'too early' })
    expect(s.events).toEqual([])
    expect(s.wires[0]!.closed).toBe(true)
    await vi.advanceTimersByTimeAsync(50)
    s.wire().onopen?.()
    expect(s.wire().last('hello').data.resume).toEqual({ stream: 'a', seq: 10 })
  })
  it('notices a dead line by its ping and fails what waits', async () => {
    const s = set()
    s.client.start()
    await s.connect()
    const waits = s.client.send('call.hold')
    const failed = expect(waits).rejects.toMatchObject({ status: 0 })
    await vi.advanceTimersByTimeAsync(pingEvery)
    expect(s.wire().last('ping')).toBeDefined()
    await vi.advanceTimersByTimeAsync(pongWithin)
    await failed
    expect(s.seen.down).toBe(1)
    await vi.advanceTimersByTimeAsync(50)
    expect(s.wires).toHaveLength(2)
  })
  it('keeps a line whose pings are answered', async () => {
    const s = set()
    s.client.start()
    await s.connect()
    for (let i = 0; i < 5; i++) {
      await vi.advanceTimersByTimeAsync(pingEvery)
      await s.wire().answer('ping', {})
    }
    expect(s.wires).toHaveLength(1)
    expect(s.seen.down).toBe(0)
  })
  it('waits longer from try to try, and asks after two whether the login has ended', async () => {
    const s = set()
    s.client.start()
    const fails = async (after: number): Promise<void> => {
      s.wire().onclose?.({ code: 1006 })
      await vi.advanceTimersByTimeAsync(after)
    }
    await fails(400)
    expect([s.wires.length, s.seen.refused]).toEqual([2, 0])
    await fails(100)
    expect([s.wires.length, s.seen.refused]).toEqual([2, 1])
    await vi.advanceTimersByTimeAsync(600)
    expect(s.wires).toHaveLength(3)
    for (let i = 0; i < 6; i++) await fails(6000)
    expect(s.wires).toHaveLength(9)
  })
  it('tries at once when the network is back', async () => {
    const s = set()
    s.client.start()
    for (let i = 0; i < 5; i++) {
      s.wire().onclose?.({ code: 1006 })
      await vi.advanceTimersByTimeAsync(6000)
    }
    s.wire().onclose?.({ code: 1006 })
    const before = s.wires.length
    s.client.hurry()
    expect(s.wires).toHaveLength(before + 1)
  })
  it('stays away when the server does not want it back', async () => {
    const s = set()
    s.client.start()
    await s.connect()
    s.wire().onclose?.({ code: 4409 })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(s.wires).toHaveLength(1)
    expect(s.seen.ended).toEqual(['replaced'])
  })
  it('lets nothing of an old line through after it is stopped', async () => {
    const s = set()
    s.client.start()
    await s.connect()
    const old = s.wire()
    s.client.stop()
    old.say({ seq: 11, event: 'agent', data: 1 })
    old.onclose?.({ code: 1000 })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(s.events).toEqual([])
    expect(s.wires).toHaveLength(1)
  })
  it('gives up a command that is not answered', async () => {
    const s = set()
    s.client.start()
    await s.connect()
    const slow = expect(s.client.send('call.park')).rejects.toMatchObject({ code: 'network.slow' })
    await vi.advanceTimersByTimeAsync(5000)
    await vi.advanceTimersByTimeAsync(pingEvery - 5000)
    await s.wire().answer('ping', {})
    await vi.advanceTimersByTimeAsync(replyWithin)
    await slow
  })
})
