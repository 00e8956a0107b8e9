// The websocket client: hello and resume, one reply a command, events in order, reconnect. It knows the protocol and nothing of calls.
import { ApiError } from '@/api/client'
import type { Frame, Hello } from './protocol'

export interface WireSocket {
  readyState: number
  onopen: (() => void) | null
  onclose: ((event: { code: number }) => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
  onerror: (() => void) | null
  send(text: string): void
  close(code?: number): void
}
export interface ClientOptions {
  session: string
  connect: () => WireSocket
  onEvent: (event: string, data: unknown) => void
  onOpen: (hello: Hello) => void // said after each hello, before the events that were missed
  onDown: () => void
  onRefused: () => void // the upgrade itself failed, twice in a row: perhaps the login has ended
  onEnded: (why: 'replaced' | 'expired') => void // the server does not want this socket back
  onSkew?: (ms: number) => void // server's clock minus ours
}
interface Waiting {
  done: (data: unknown) => void
  failed: (error: unknown) => void
  timer: ReturnType<typeof setTimeout>
}

export const pingEvery = 10_000
export const pongWithin = 5_000
export const replyWithin = 10_000
const waits = [0, 250, 500, 1000, 2000, 4000]

export class Client {
  private socket: WireSocket | null = null
  private wanted = false
  private open = false
  private tries = 0
  private stream = ''
  private seq = 0
  private lastId = 0
  private waiting = new Map<string, Waiting>()
  private early: Frame[] = []
  private again: ReturnType<typeof setTimeout> | undefined
  private beat: ReturnType<typeof setInterval> | undefined

  constructor(private options: ClientOptions) {}

  start(): void {
    if (this.wanted) return
    this.wanted = true
    this.dial()
  }
  stop(): void {
    this.wanted = false
    clearTimeout(this.again)
    this.drop(1000)
    this.stream = ''
  }
  /** Tries at once when the network is back or the page is seen again. */
  hurry(): void {
    if (!this.wanted) return
    if (this.open) void this.ping()
    else if (!this.socket) {
      clearTimeout(this.again)
      this.dial()
    }
  }

  /** Sends a command and waits for its reply; a refusal is an ApiError as over HTTP. */
  send<T>(cmd: string, data: object = {}, within = replyWithin): Promise<T> {
    if (!this.open) return Promise.reject(away())
    return this.ask<T>(cmd, data, within)
  }
  private ask<T>(cmd: string, data: object, within: number): Promise<T> {
    const socket = this.socket
    if (!socket) return Promise.reject(away())
    const id = `c${++this.lastId}`
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id)
        reject(new ApiError(0, 'network.slow', 'The server did not answer in time.'))
      }, within)
      this.waiting.set(id, { done: resolve as (data: unknown) => void, failed: reject, timer })
      socket.send(JSON.stringify({ id, cmd, data }))
    })
  }

  private dial(): void {
    const socket = (this.socket = this.options.connect())
    socket.onopen = () => void this.hello(socket)
    socket.onmessage = ({ data }) => this.socket === socket && this.read(String(data))
    socket.onclose = ({ code }) => this.socket === socket && this.closed(code)
    socket.onerror = null
  }
  private async hello(socket: WireSocket): Promise<void> {
    const resume = this.stream ? { stream: this.stream, seq: this.seq } : null
    const sent = Date.now()
    try {
      const hello = await this.ask<Hello>('hello', { session: this.options.session, resume }, replyWithin)
      if (this.socket !== socket) return
      const took = Date.now() - sent
      this.options.onSkew?.(Date.parse(hello.server_time) - sent - took / 2)
      this.begin(hello)
    } catch {
      if (this.socket === socket) this.drop(4000)
    }
  }
  private begin(hello: Hello): void {
    // With a snapshot the stream begins anew at hello.seq; resumed, it goes on after the last event we saw.
    if (hello.snapshot || hello.stream !== this.stream) this.seq = hello.seq
    this.stream = hello.stream
    this.open = true
    this.tries = 0
    this.beat = setInterval(() => void this.ping(), pingEvery)
    this.options.onOpen(hello)
    const early = this.early
    this.early = []
    for (const frame of early) this.event(frame)
  }

  private read(text: string): void {
    let frame: Frame
    try {
      frame = JSON.parse(text) as Frame
    } catch {
      return this.drop(4000)
    }
    if (frame.reply !== undefined) return this.reply(frame)
    if (!frame.event) return
    if (this.open) this.event(frame)
    else this.early.push(frame) // overtook the reply to hello
  }
  private reply(frame: Frame): void {
    const one = this.waiting.get(frame.reply!)
    if (!one) return
    this.waiting.delete(frame.reply!)
    clearTimeout(one.timer)
    if (frame.ok) one.done(frame.data)
    else {
      const p = frame.problem ?? {}
      one.failed(new ApiError(p.status ?? 500, p.code ?? 'internal', p.detail || p.title || '', p.errors ?? []))
    }
  }
  private event(frame: Frame): void {
    const seq = frame.seq ?? 0
    if (seq > 0) {
      if (seq <= this.seq) return // seen before the cut
      if (seq > this.seq + 1) return this.drop(4000) // something is missing: resume from what we have
      this.seq = seq
    }
    this.options.onEvent(frame.event!, frame.data)
  }

  private async ping(): Promise<void> {
    const socket = this.socket
    try {
      await this.ask('ping', {}, pongWithin)
    } catch (error) {
      if (this.socket === socket && error instanceof ApiError && error.status === 0) this.drop(4000)
    }
  }
  /** Closes a socket and does not wait for its goodbye: a dead network never says one. */
  private drop(code: number): void {
    const socket = this.socket
    if (!socket) return
    this.down()
    try {
      socket.close(code)
    } catch {
      /* it was closed already */
    }
  }
  private closed(code: number): void {
    const why = code === 4409 ? 'replaced' : code === 4401 ? 'expired' : null
    if (why) this.wanted = false
    this.down()
    if (why) this.options.onEnded(why)
  }
  private down(): void {
    const was = this.open
    this.socket = null
    this.open = false
    this.early = []
    clearInterval(this.beat)
    for (const one of this.waiting.values()) {
      clearTimeout(one.timer)
      one.failed(away())
    }
    this.waiting.clear()
    if (was) this.options.onDown()
    if (!this.wanted) return
    if (!was && ++this.tries % 2 === 0) this.options.onRefused()
    const wait = waits[Math.min(this.tries, waits.length - 1)]!
    this.again = setTimeout(() => this.wanted && !this.socket && this.dial(), wait + Math.random() * wait * 0.3)
  }
}

export function away(): ApiError {
  return new ApiError(0, 'network.offline', 'The server cannot be reached.')
}
