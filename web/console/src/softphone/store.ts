// The agent's softphone as the page sees it: state, offers, the call, what can be done. Everything comes from the socket; nothing here decides.
import { defineStore } from 'pinia'
import { computed, reactive, ref, shallowRef, watch } from 'vue'
import { ApiError } from '@/api/client'
import { i18n } from '@/i18n'
import { phone as spaced } from '@/lib/text'
import { useToasts } from '@/stores/toasts'
import { permission } from './mic'
import { connectEar, connectPhone, counters, line, openMic, reconcile, recover, releasePhone, setMuted, tryAgain } from './phone'
import type { Counters } from './peer'
import type { AgentView, CallView, Colleague, Config, Hello, Notice, OfferView, PhoneView, QualityView, Snapshot, Target, WrapView } from './protocol'
import { withNames } from './pop'
import { serverNow, useSocket } from './socket'

const noPhone: PhoneView = { active: 'none', media: 'none' }
const noConfig: Config = { reasons: [], codes: [], queues: [], agents: [], pop_url: null, ice: null }
const warmKey = 'hotline.phone'

/** What only the person can mend: asking again by ourselves would annoy. */
const personal = new Set<string>(['insecure', 'unsupported', 'blocked', 'dismissed'])

export const useSoftphone = defineStore('softphone', () => {
  const socket = useSocket()
  const toasts = useToasts()
  const agent = shallowRef<AgentView | null>(null)
  const phone = shallowRef<PhoneView>(noPhone)
  const offers = shallowRef<OfferView[]>([])
  const call = shallowRef<CallView | null>(null)
  const wrap = shallowRef<WrapView | null>(null)
  const config = shallowRef<Config>(noConfig)
  const colleagues = shallowRef<Colleague[]>([])
  const quality = shallowRef<QualityView | null>(null)
  const muted = ref(false)
  const busy = reactive(new Set<string>()) // commands on their way
  const now = ref(serverNow()) // the server's clock, each second
  const known = ref(false) // a snapshot has come
  const names = new Map<string, string>() // given here to callers who had none: what the server says of a call is older
  let needed: 'no' | 'ear' | 'voice' = 'no' // somebody who is no agent wants the phone (a supervisor who listens, or speaks too)
  let baseline: Counters | null = null

  const isAgent = computed(() => agent.value !== null)
  const elsewhere = computed(() => phone.value.active === 'other')
  /** Sound is there both ways: without it nobody may go ready or answer. */
  const able = computed(() => socket.open.value && line.peer === 'up' && line.mic === 'open' && phone.value.media === 'up')
  const mayDial = computed(() => isAgent.value && able.value && call.value === null && !elsewhere.value)
  const offer = computed(() => offers.value[0] ?? null)

  function take(s: Snapshot): void {
    known.value = true
    agent.value = s.agent
    config.value = s.config ?? noConfig
    colleagues.value = s.config?.agents ?? []
    offers.value = s.offers ?? []
    wrap.value = s.wrap
    setCall(s.call)
    phone.value = s.phone ?? noPhone
  }
  function hello(h: Hello): void {
    if (h.snapshot) take(h.snapshot)
    if (call.value && call.value.muted !== muted.value) void socket.send('call.mute', { on: muted.value }).catch(() => {})
    connect()
  }
  /** An agent's phone is made at login and again whenever it has to be; nobody else's is, unless needed. */
  function connect(): void {
    if (!isAgent.value && needed === 'no') return line.mic === 'off' ? undefined : releasePhone()
    if (elsewhere.value) return releasePhone()
    if (personal.has(line.mic)) return
    const servers = config.value.ice?.servers ?? []
    if (line.peer === 'none') void (isAgent.value || needed === 'voice' ? connectPhone(servers) : connectEar(servers))
    else reconcile(phone.value)
  }

  function setCall(next: CallView | null): void {
    const other = next?.id !== call.value?.id
    const missed = next?.lost ?? []
    for (const who of missed.slice(other ? 0 : (call.value?.lost?.length ?? 0))) toasts.show('alarm', i18n.global.t('phone.lost', { who: who.name || spaced(who.number) }))
    call.value = next?.pop ? { ...next, pop: withNames(next.pop, names) } : next
    if (!other) return
    quality.value = null
    muted.value = next?.muted ?? false
    setMuted(muted.value)
    openMic('call', next !== null)
    baseline = null
    if (next) void counters().then((c) => (baseline = c))
  }

  socket.onOpen(hello)
  socket.on<AgentView | null>('agent', (v) => {
    const became = v !== null && agent.value === null
    agent.value = v
    if (became) connect()
  })
  socket.on<PhoneView>('phone', (v) => {
    phone.value = v
    connect()
  })
  socket.on<OfferView>('offer', (v) => {
    v = { ...v, pop: withNames(v.pop, names) }
    const known = offers.value.some((o) => o.id === v.id) // it comes again when more is known of the caller
    offers.value = known ? offers.value.map((o) => (o.id === v.id ? v : o)) : [...offers.value, v]
  })
  socket.on<{ id: string; why: string }>('offer.gone', ({ id, why }) => {
    const gone = offers.value.find((o) => o.id === id)
    offers.value = offers.value.filter((o) => o.id !== id)
    if (gone && ['elsewhere', 'caller_left', 'timeout', 'withdrawn'].includes(why) && !busy.has('offer.decline')) toasts.show('plain', i18n.global.t(`pop.gone.${why}`))
  })
  socket.on<CallView>('call', setCall)
  socket.on<{ id: string; why: string }>('call.gone', ({ id, why }) => {
    if (call.value?.id !== id) return
    setCall(null)
    const key = `phone.ended.${why}`
    if (i18n.global.te(key)) toasts.show('plain', i18n.global.t(key))
  })
  socket.on<QualityView>('quality', (v) => {
    if (v.call_id === call.value?.id) quality.value = v
  })
  socket.on<WrapView>('wrap', (v) => (wrap.value = v))
  socket.on<unknown>('wrap.gone', () => (wrap.value = null))
  socket.on<Colleague[]>('colleagues', (changed) => (colleagues.value = merge(colleagues.value, changed ?? [])))
  socket.on<Notice>('notice', (n) => {
    if (n.code.startsWith('call.one_way')) return // shown above the bar as long as it lasts
    const key = `phone.notice.${n.code}`
    toasts.show('plain', i18n.global.te(key) ? i18n.global.t(key, n.args ?? {}) : (n.text ?? n.code))
  })

  /** Sends a command, says so when it fails, and tells whether it went well. */
  async function act(cmd: string, data: object = {}): Promise<boolean> {
    if (busy.has(cmd)) return false
    busy.add(cmd)
    try {
      await socket.send(cmd, data)
      return true
    } catch (error) {
      toasts.failed(error)
      return false
    } finally {
      busy.delete(cmd)
    }
  }

  const ready = () => act('agent.ready')
  const pause = (reason: string) => act('agent.pause', { reason })
  const offline = () => act('agent.offline')
  const after = (state: string, reason = '') => act('agent.after', { state, reason })
  async function answer(id = offer.value?.id): Promise<boolean> {
    if (!id || !able.value) return false
    const ok = await act('offer.answer', { offer: id })
    if (ok) offers.value = offers.value.filter((o) => o.id !== id)
    return ok
  }
  async function decline(reason = '', id = offer.value?.id): Promise<boolean> {
    if (!id) return false
    const ok = await act('offer.decline', { offer: id, reason })
    if (ok) offers.value = offers.value.filter((o) => o.id !== id)
    return ok
  }
  /** Works here at once; the server is told so that it shows everywhere. */
  function mute(on = !muted.value): void {
    muted.value = on
    setMuted(on)
    void socket.send('call.mute', { on }).catch(() => {})
  }
  const hold = () => act(call.value?.held ? 'call.resume' : 'call.hold')
  const digits = (d: string) => act('call.digits', { digits: d })
  const transfer = (to: Target) => act('call.transfer', { to })
  const consult = (to: Target) => act('call.consult', { to })
  const hangup = () => act('call.hangup')
  const record = () => act('call.record', { on: call.value?.recording !== 'on' })
  const note = (body: string) => act('call.note', { body })
  async function dial(number: string, extras: { ticket?: number; queue?: string } = {}): Promise<boolean> {
    if (!able.value) {
      toasts.show('alarm', i18n.global.t(call.value ? 'phone.inCall' : 'phone.notAble'))
      return false
    }
    return act('call.dial', { phone: number, ...extras })
  }
  /** A caller has got a name: it shows everywhere at once. */
  function named(party: string, name: string): void {
    names.set(party, name)
    offers.value = offers.value.map((o) => ({ ...o, pop: withNames(o.pop, names) }))
    if (call.value?.pop) call.value = { ...call.value, pop: withNames(call.value.pop, names) }
  }
  const wrapDone = (code: string, body: string) => act('wrap.done', { call_id: wrap.value?.call_id, code, note: body })
  const wrapExtend = () => act('wrap.extend')
  async function takeOver(): Promise<void> {
    if (await act('phone.take')) await connectPhone(config.value.ice?.servers ?? [])
  }

  /** Resolves when sound is there: for those who listen without being agents. Who is not to be heard needs no microphone. */
  async function needPhone(speak: boolean): Promise<void> {
    const voice = speak || (await permission()) === 'granted'
    if (needed !== 'voice') needed = voice ? 'voice' : 'ear'
    const there = (): boolean => line.peer === 'up' && !(speak && line.deaf)
    if (there()) return
    if (line.peer === 'none' || (speak && line.deaf)) void (voice ? tryAgain() : connectEar(config.value.ice?.servers ?? []))
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => end(new ApiError(0, '', i18n.global.t('phone.media.failed'))), 30_000)
      const stop = watch(() => [line.peer, line.mic, line.deaf] as const, ([peer, mic]) => {
        if (there()) end()
        else if (voice && (peer === 'none' || line.deaf) && mic !== 'asking' && mic !== 'open' && mic !== 'off') end(new ApiError(0, '', i18n.global.t(`phone.mic.${mic}.title`)))
      })
      function end(error?: ApiError): void {
        stop()
        clearTimeout(late)
        if (error) reject(error)
        else resolve()
      }
    })
  }

  /** What the browser hears, told every two seconds of a call. */
  async function tell(): Promise<void> {
    const c = call.value && socket.open.value ? await counters() : null
    if (!c || !call.value) return
    const zero = (baseline ??= c)
    await socket.send('stats', { ...c, packets_received: Math.max(0, c.packets_received - zero.packets_received), lost: Math.max(0, c.lost - zero.lost) }).catch(() => {})
  }
  let second = 0
  setInterval(() => {
    now.value = serverNow()
    if (++second % 2 === 0) void tell()
    const late = offers.value.filter((o) => Date.parse(o.ring_until) + 8000 > now.value)
    if (late.length !== offers.value.length) offers.value = late // its end was told to a socket that was cut
  }, 1000)

  watch(() => [isAgent.value, phone.value.active] as const, ([is, active]) => {
    try {
      if (is && active === 'this') sessionStorage.setItem(warmKey, '1')
      else if (known.value && !is) sessionStorage.removeItem(warmKey)
    } catch {
      /* storage is blocked: a reload is a little slower */
    }
  })
  function forget(): void {
    take({ agent: null, phone: noPhone, offers: [], call: null, wrap: null, config: noConfig })
    known.value = false
    needed = 'no'
    releasePhone()
    try {
      sessionStorage.removeItem(warmKey)
    } catch {
      /* as above */
    }
  }

  return {
    agent, phone, offers, offer, call, wrap, config, colleagues, quality, muted, busy, now, known, line,
    isAgent, elsewhere, able, mayDial, open: socket.open,
    ready, pause, offline, after, answer, decline, mute, hold, digits, transfer, consult, hangup, record, note, dial, wrapDone, wrapExtend, takeOver,
    act, named, needPhone, openMic, tryAgain: () => (line.deaf ? recover() : tryAgain()), forget,
  }
})

/** The event names only who changed; a colleague who is no agent any more is "gone". */
export function merge(all: Colleague[], changed: Colleague[]): Colleague[] {
  const by = new Map(all.map((c) => [c.id, c]))
  for (const c of changed) {
    if ((c.state as string) === 'gone') by.delete(c.id)
    else by.set(c.id, c)
  }
  return [...by.values()]
}

/** True when this tab was the phone before its reload. */
export function wasPhone(): boolean {
  try {
    return sessionStorage.getItem(warmKey) === '1'
  } catch {
    return false
  }
}
