// What the desk decides by itself: whom a call can go to, who a caller is, what a browser's refusal means, how it sounds.
import { describe, expect, it } from 'vitest'
import { en } from '../src/locales/en'
import { callPhases, agentStates } from '../src/softphone/looks'
import { constraints, loudness, obstacle, troubleOf, troubles } from '../src/softphone/mic'
import { readStats } from '../src/softphone/peer'
import { isShared, isUnknown, likely, openChoice, safeUrl, withNames } from '../src/softphone/pop'
import type { Colleague, Pop, PopMatch } from '../src/softphone/protocol'
import { ringtone } from '../src/softphone/ring'
import { readSettings } from '../src/softphone/settings'
import { asNumber, canConsult, choices } from '../src/softphone/targets'

const people: Colleague[] = [
  { id: 'me', name: 'Anna', state: 'talking' },
  { id: 'c', name: 'Carla', state: 'offline' },
  { id: 'b', name: 'Bob', state: 'talking' },
  { id: 'd', name: 'Dai', state: 'ready' },
]
const queues = [{ name: 'support', title: { en: 'Support', 'zh-CN': '技术支持' } }]
const list = (typed: string) => choices(typed, people, queues, 'me', (q) => q.title['zh-CN'] ?? q.name).map((c) => `${c.kind}:${c.value}`)

describe('whom a call can go to', () => {
  it('lists colleagues by how soon they can take it, never oneself, then queues, and last who is not there', () => {
    expect(list('')).toEqual(['agent:d', 'agent:b', 'queue:support', 'agent:c'])
  })
  it('finds by any part of a name or title, in any language', () => {
    expect(list('BO')).toEqual(['agent:b'])
    expect(list('支持')).toEqual(['queue:support'])
    expect(list('supp')).toEqual(['queue:support'])
  })
  it('takes a whole number as it was typed', () => {
    expect(list('+86 138-1234 5678')).toEqual(['number:+8613812345678'])
    expect(asNumber('(010) 6552 9988')).toBe('01065529988')
    expect(asNumber('4001')).toBe('4001')
    for (const no of ['', '12', 'abc', '+', '12345678901234567890123', '1e5', '12;34']) expect(asNumber(no), no).toBe('')
  })
  it('asks nobody who is not there, and no queue', () => {
    const all = choices('', people, queues, 'me', (q) => q.name)
    expect(all.filter(canConsult).map((c) => c.value)).toEqual(['d', 'b'])
    expect(canConsult({ kind: 'number', value: '4001', title: '4001' })).toBe(true)
  })
})

const match = (id: string, name: string, level: PopMatch['level']): PopMatch => ({ party: { id, name, company: '', vip: false, notes: '', language: '' }, level })
const pop = (matches: PopMatch[] | null, withheld = false): Pop => ({
  call_id: 'x', direction: 'in', caller: { number: withheld ? '' : '+86138', name: '', verified: false, withheld }, language: '', queue: '', waited_ms: 0, path: null, ticket: null, matches, open_tickets: null, contacts: null, pop_url: null,
})

describe('who a caller is', () => {
  it('takes the surest match unless another was chosen', () => {
    const three = pop([match('a', 'A', 'maybe'), match('b', 'B', 'verified'), match('c', 'C', 'known')])
    expect(likely(three)?.party.id).toBe('b')
    expect(likely(three, 'c')?.party.id).toBe('c')
    expect(likely(three, 'gone')?.party.id).toBe('b')
    expect(likely(pop(null))).toBeNull()
  })
  it('guesses at nobody when several are as sure', () => {
    const two = pop([match('a', 'A', 'known'), match('b', 'B', 'known'), match('c', 'C', 'maybe')])
    expect(likely(two)).toBeNull()
    expect(openChoice(two)).toBe(3)
    expect(likely(two, 'b')?.party.id).toBe('b')
    expect(openChoice(two, 'b')).toBe(0)
    expect(likely({ ...two, party: 'c' })?.party.id).toBe('c')
    const named = pop([match('a', '', 'known'), match('b', 'B', 'known')])
    expect(likely(named)?.party.id).toBe('b')
    expect(openChoice(named)).toBe(0)
    expect(likely(pop([match('a', '', 'maybe')]))?.party.id).toBe('a')
  })
  it('asks for a name only when nobody has one, and to choose only among several', () => {
    expect(isUnknown(pop([match('a', '', 'maybe')]))).toBe(true)
    expect(isUnknown(pop([]))).toBe(true)
    expect(isUnknown(pop([], true))).toBe(false)
    expect(isUnknown(pop([match('a', 'A', 'maybe')]))).toBe(false)
    expect(isShared(pop([match('a', 'A', 'known'), match('b', 'B', 'known')]))).toBe(true)
    expect(isShared(pop([match('a', 'A', 'known'), match('b', '', 'maybe')]))).toBe(false)
  })
  it('opens only web pages', () => {
    expect(safeUrl('https://crm.example/?phone=%2B86138')).toBe('https://crm.example/?phone=%2B86138')
    for (const bad of ['javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', '//', 'crm', '', null]) expect(safeUrl(bad)).toBe('')
  })
})

describe('the microphone', () => {
  it('says what stands in the way before asking', () => {
    const devices = { getUserMedia: () => Promise.reject(new Error()) }
    expect(obstacle({ isSecureContext: false, mediaDevices: undefined, rtc: true })).toBe('insecure')
    expect(obstacle({ isSecureContext: true, mediaDevices: undefined, rtc: true })).toBe('unsupported')
    expect(obstacle({ isSecureContext: true, mediaDevices: devices, rtc: false })).toBe('unsupported')
    expect(obstacle({ isSecureContext: true, mediaDevices: devices, rtc: true })).toBeNull()
  })
  it('tells a block from a closed question, a missing one from a busy one', () => {
    const named = (name: string) => ({ name })
    expect(troubleOf(named('NotAllowedError'), 'denied')).toBe('blocked')
    expect(troubleOf(named('NotAllowedError'), 'unknown')).toBe('blocked')
    expect(troubleOf(named('NotAllowedError'), 'prompt')).toBe('dismissed')
    expect(troubleOf(named('NotFoundError'), 'granted')).toBe('none')
    expect(troubleOf(named('NotReadableError'), 'granted')).toBe('busy')
    expect(troubleOf(null, 'granted')).toBe('failed')
  })
  it('is kept free of echo unless the head-set does it', () => {
    expect(constraints({ microphone: '', clean: true })).toEqual({ echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 })
    expect(constraints({ microphone: 'usb', clean: false })).toMatchObject({ deviceId: { exact: 'usb' }, echoCancellation: false })
  })
  it('has a meter from silence to full scale', () => {
    expect(loudness(new Float32Array(512))).toBe(0)
    expect(loudness(new Float32Array(512).fill(1))).toBe(1)
    const speech = loudness(Float32Array.from({ length: 512 }, (_, i) => 0.1 * Math.sin(i / 3)))
    expect(speech).toBeGreaterThan(0.5)
    expect(speech).toBeLessThan(0.7)
  })
  it('has words for every trouble, state and phase', () => {
    const mic = en.phone.mic as Record<string, { title: string; text?: string }>
    for (const one of troubles) expect(mic[one]?.text, one).toBeTruthy()
    for (const s of agentStates) expect((en.agentState as Record<string, string>)[s], s).toBeTruthy()
    for (const p of callPhases) expect((en.callPhase as Record<string, string>)[p], p).toBeTruthy()
    for (const why of ['answered', 'elsewhere', 'withdrawn', 'timeout', 'caller_left']) expect((en.pop.gone as Record<string, string>)[why], why).toBeTruthy()
  })
})

describe('sound', () => {
  it('rings audibly, never clips, and comes round without a click', () => {
    for (const tone of ['queue', 'inside'] as const) {
      const samples = ringtone(tone, 8000)
      expect(samples).toHaveLength(24_000)
      const peak = samples.reduce((max, s) => Math.max(max, Math.abs(s)), 0)
      expect(peak).toBeGreaterThan(0.2)
      expect(peak).toBeLessThan(1)
      expect(Math.abs(samples[0]!)).toBeLessThan(0.01)
      expect(Math.abs(samples.at(-1)!)).toBeLessThan(0.001)
    }
    expect(ringtone('queue', 8000)).not.toEqual(ringtone('inside', 8000))
  })
  it('reads what was kept and forgives what was broken', () => {
    expect(readSettings(null)).toMatchObject({ microphone: '', volume: 0.6, clean: true, openPop: true })
    expect(readSettings('{"microphone":"usb","volume":0,"clean":false}')).toMatchObject({ microphone: 'usb', volume: 0, clean: false })
    for (const broken of ['', 'null', '{', '{"volume":7,"microphone":3}']) expect(readSettings(broken)).toMatchObject({ microphone: '', volume: 0.6, clean: true })
  })
  it('reads the browser’s figures', () => {
    const report = new Map([
      ['a', { type: 'inbound-rtp', kind: 'audio', packetsReceived: 500, packetsLost: 3, jitter: 0.0042 }],
      ['b', { type: 'candidate-pair', nominated: true, state: 'succeeded', currentRoundTripTime: 0.03 }],
      ['c', { type: 'candidate-pair', nominated: false, state: 'failed', currentRoundTripTime: 9 }],
      ['d', { type: 'outbound-rtp', kind: 'audio' }],
    ])
    expect(readStats(report)).toEqual({ packets_received: 500, lost: 3, jitter_ms: 4.2, rtt_ms: 30 })
    report.set('e', { type: 'remote-inbound-rtp', roundTripTime: 0.021 } as never)
    expect(readStats(report).rtt_ms).toBe(21)
  })
})

describe('a name that was given', () => {
  it('shows on every pop of that party, and on no other', () => {
    const names = new Map([['a', 'Wang Fang']])
    expect(withNames(pop([match('a', '', 'maybe'), match('b', 'B', 'known')]), names).matches?.map((m) => m.party.name)).toEqual(['Wang Fang', 'B'])
    const other = pop([match('c', '', 'maybe')])
    expect(withNames(other, names)).toBe(other)
    expect(isUnknown(withNames(pop([match('a', '', 'maybe')]), names))).toBe(false)
  })
})
