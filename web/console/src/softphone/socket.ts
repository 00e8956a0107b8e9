// The page's one socket, for whoever is logged in: commands, events, and the server's clock.
import { ref, type Ref } from 'vue'
import { http } from '@/api/client'
import { away, Client, type WireSocket } from './client'
import type { Hello } from './protocol'

type Handler = (data: never) => void
const handlers = new Map<string, Set<Handler>>()
const openers = new Set<(hello: Hello) => void>()
const downers = new Set<() => void>()
const open = ref(false)
/** True from the first hello on until the socket is let go: then `open` false means that the line is cut. */
const wanted = ref(false)
/** True when another socket bears this tab's name: the tab was copied. It does not come back by itself. */
export const replaced = ref(false)
let skew = 0
let client: Client | null = null
let lastHello: Hello | null = null

/** What the server's clock says now: deadlines are its. */
export const serverNow = (): number => Date.now() + skew

function send<T>(cmd: string, data: object = {}, within?: number): Promise<T> {
  return client ? client.send<T>(cmd, data, within) : Promise.reject(away())
}
/** Hears an event until the returned function is called. */
function on<T>(event: string, run: (data: T) => void): () => void {
  const set = handlers.get(event) ?? new Set<Handler>()
  handlers.set(event, set)
  set.add(run as Handler)
  return () => void set.delete(run as Handler)
}
/** Called after each hello, and at once when there has been one: what was watched must be asked for again. */
function onOpen(run: (hello: Hello) => void): () => void {
  openers.add(run)
  if (open.value && lastHello) run(lastHello)
  return () => void openers.delete(run)
}
function onDown(run: () => void): () => void {
  downers.add(run)
  return () => void downers.delete(run)
}

/** A name for this tab that lasts over its reload. A duplicated tab inherits it: then the lock is taken, and it gets one of its own. */
async function tab(): Promise<string> {
  const key = 'hotline.tab'
  let name = ''
  try {
    name = sessionStorage.getItem(key) ?? ''
  } catch {
    /* storage is blocked: a reload is a new tab then */
  }
  if (!name || !(await lock(name))) {
    name = randomId()
    await lock(name)
  }
  try {
    sessionStorage.setItem(key, name)
  } catch {
    /* as above */
  }
  return name
}
function lock(name: string): Promise<boolean> {
  if (!navigator.locks) return Promise.resolve(true)
  return new Promise((resolve) => {
    // A reload may find the lock still held by the page that is going away: a moment is enough for that one, never for a copy.
    navigator.locks
      .request(`hotline.tab.${name}`, { signal: AbortSignal.timeout(600) }, () => {
        resolve(true)
        return new Promise<never>(() => {}) // kept as long as the page lives
      })
      .catch(() => resolve(false))
  })
}
function randomId(): string {
  if (crypto.randomUUID) return crypto.randomUUID()
  const b = crypto.getRandomValues(new Uint8Array(16))
  b[6] = (b[6]! & 0x0f) | 0x40
  b[8] = (b[8]! & 0x3f) | 0x80
  const hex = Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

function make(session: string): Client {
  const at = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/v1/socket`
  return new Client({
    session,
    connect: () => new WebSocket(at, 'hotline.v1') as unknown as WireSocket,
    onEvent: (event, data) => handlers.get(event)?.forEach((run) => run(data as never)),
    onOpen: (hello) => {
      lastHello = hello
      open.value = true
      openers.forEach((run) => run(hello))
    },
    onDown: () => {
      open.value = false
      downers.forEach((run) => run())
    },
    onRefused: () => void http.get('/session').catch(() => {}), // a 401 leads to the login page
    onEnded: (why) => {
      if (why === 'replaced') replaced.value = true
      else void http.get('/session').catch(() => {})
    },
    onSkew: (ms) => (skew = ms),
  })
}

/** Opened at login, let go at logout: the layout does both. */
export async function openSocket(): Promise<void> {
  if (wanted.value) return
  wanted.value = true
  const session = await tab()
  if (!wanted.value || client) return
  client = make(session)
  client.start()
}
export function closeSocket(): void {
  wanted.value = false
  client?.stop()
  client = null
  lastHello = null
  open.value = false
}
/** Comes back under a new name when the person asks. */
export async function reopenSocket(): Promise<void> {
  closeSocket()
  replaced.value = false
  try {
    sessionStorage.removeItem('hotline.tab')
  } catch {
    /* storage is blocked: the name was not kept */
  }
  await openSocket()
}
export function hurrySocket(): void {
  client?.hurry()
}

export function useSocket(): {
  send: typeof send
  on: typeof on
  onOpen: typeof onOpen
  onDown: typeof onDown
  open: Ref<boolean>
  wanted: Ref<boolean>
} {
  return { send, on, onOpen, onDown, open, wanted }
}
