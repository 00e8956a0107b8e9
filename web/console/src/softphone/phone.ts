// The sound side of the softphone: one microphone, one peer, kept alive through lost networks and unplugged devices.
import { reactive, watch } from 'vue'
import { listen, hushCall, useSpeaker } from './listen'
import { capture, MicError, whenPermitted, type MicTrouble } from './mic'
import { Peer, type Counters, type PeerState } from './peer'
import type { PhoneView } from './protocol'
import { settings } from './settings'
import { useSocket } from './socket'

export interface LineState {
  mic: 'off' | 'asking' | 'open' | MicTrouble
  peer: 'none' | 'connecting' | 'up' | 'lost' | 'failed'
  microphone: string // its label
  hot: boolean // whether it is heard by anybody
  deaf: boolean // only listens: no microphone was asked for
}
export const line = reactive<LineState>({ mic: 'off', peer: 'none', microphone: '', hot: false, deaf: false })

const { send, open } = useSocket()
let track: MediaStreamTrack | null = null
let peer: Peer | null = null
let ice: RTCIceServer[] = []
let wanted = false
let turn = 0
let tries = 0
let again: ReturnType<typeof setTimeout> | undefined
let doubt: ReturnType<typeof setTimeout> | undefined
const reasons = new Set<string>()
let muted = false
let asking: Promise<MediaStreamTrack> | null = null
let building = false
let releases = 0

/** The microphone is heard while there is a reason (a call, a whisper) and it is not muted. */
export function openMic(why: string, on: boolean): void {
  if (on) reasons.add(why)
  else reasons.delete(why)
  apply()
}
export function setMuted(on: boolean): void {
  muted = on
  apply()
}
function apply(): void {
  line.hot = reasons.size > 0 && !muted
  if (track) track.enabled = line.hot
}

/** Who comes while the question is open waits for the same answer. */
function takeMicrophone(): Promise<MediaStreamTrack> {
  if (track?.readyState === 'live') return Promise.resolve(track)
  asking ??= openMicrophone().finally(() => (asking = null))
  return asking
}
async function openMicrophone(): Promise<MediaStreamTrack> {
  line.mic = 'asking'
  const before = releases
  try {
    track = await capture(settings)
    if (before !== releases && !wanted) throw released()
  } catch (error) {
    track?.stop()
    track = null
    line.mic = before !== releases && !wanted ? 'off' : error instanceof MicError ? error.trouble : 'failed'
    throw error
  }
  line.mic = 'open'
  line.microphone = track.label
  track.onended = () => void lost()
  apply()
  return track
}
/** The phone was let go of while the browser asked: an open microphone would be nobody's. */
const released = (): Error => new Error('the phone was let go of')

/** The microphone went away in use: another one takes its place in the same conversation. */
async function lost(): Promise<void> {
  track = null
  if (!wanted) return
  try {
    await peer?.replace(await takeMicrophone())
  } catch {
    /* line.mic says why; a plugged-in device or a click tries again */
  }
}
/** A microphone is there again: it takes its place in the call that goes on, and only without a call everything is made anew. */
export async function recover(): Promise<void> {
  if (line.deaf && peer?.connected) {
    line.mic = 'off' // who listens goes on listening; the next wish to speak asks again
    return
  }
  if (!peer?.connected) return tryAgain()
  await lost()
}
/** The chosen device was plugged in again: who chose it means it. */
async function returned(): Promise<void> {
  const chosen = settings.microphone
  if (!track || !chosen || track.getSettings().deviceId === chosen) return
  const there = await navigator.mediaDevices.enumerateDevices().catch(() => [])
  if (there.some((d) => d.kind === 'audioinput' && d.deviceId === chosen)) await changeMicrophone()
}
async function changeMicrophone(): Promise<void> {
  if (!track) return
  const old = track
  track = null
  try {
    await peer?.replace(await takeMicrophone())
    old.onended = null
    old.stop()
  } catch {
    track = old.readyState === 'live' ? old : null
    if (track) line.mic = 'open'
    apply()
  }
}

/** Takes the microphone and negotiates. Does nothing while that is done or under way. */
export async function connectPhone(servers: string[] = []): Promise<void> {
  ice = servers.length ? [{ urls: servers }] : []
  wanted = true
  const under = building || (peer && (line.peer === 'connecting' || peer.connected))
  if (under && !line.deaf) return
  line.deaf = false
  await build()
}
/** Negotiates to hear only: that needs no microphone, and nobody is asked for one. */
export async function connectEar(servers: string[] = []): Promise<void> {
  if (wanted && line.peer !== 'none') return
  ice = servers.length ? [{ urls: servers }] : []
  wanted = line.deaf = true
  await build()
}
async function build(): Promise<void> {
  const mine = ++turn
  building = true
  clearTimeout(again)
  if (line.peer !== 'failed') line.peer = tries > 0 ? 'lost' : 'connecting'
  try {
    const microphone = line.deaf ? null : await takeMicrophone()
    if (mine !== turn || !wanted) return
    peer?.close()
    const fresh: Peer = (peer = new Peer(ice, (s) => peer === fresh && entered(s), (stream) => void listen(stream)))
    await fresh.connect(microphone, async (sdp) => (await send<{ sdp: string }>('phone.offer', { sdp })).sdp)
  } catch (error) {
    if (mine !== turn) return
    peer?.close()
    peer = null
    if (error instanceof MicError) line.peer = 'none'
    else retry()
  } finally {
    if (mine === turn) building = false
  }
}
function entered(state: PeerState): void {
  if (state === 'connected') {
    tries = 0
    line.peer = 'up'
  } else if (state === 'lost') {
    line.peer = 'lost'
    suspect(2500) // Wi-Fi that hiccups mends by itself
  } else if (state === 'failed') retry()
}
/** Builds a new peer unless this one is well again in time. */
function suspect(ms: number): void {
  clearTimeout(doubt)
  doubt = setTimeout(() => wanted && line.peer === 'lost' && open.value && void build(), ms)
}
function retry(): void {
  peer?.close()
  peer = null
  tries++
  line.peer = tries > 3 ? 'failed' : 'lost'
  clearTimeout(again)
  if (!wanted || !open.value) return // the next hello tries
  again = setTimeout(() => wanted && open.value && void build(), Math.min(10_000, 300 * 2 ** tries))
}

/** Lays what the server says of our phone beside what we have. */
export function reconcile(view: PhoneView): void {
  if (!wanted) return
  if (view.active === 'other') return releasePhone()
  if (view.active === 'this' && (view.media === 'up' || view.media === 'connecting') && (peer?.connected || line.peer === 'connecting')) {
    if (peer?.connected && line.peer !== 'up') line.peer = 'up'
    return
  }
  if (view.active === 'this' && view.media === 'lost' && peer?.connected) {
    line.peer = 'lost' // the server hears nothing of us although ICE is content
    return suspect(3000)
  }
  if (!building && line.peer !== 'connecting') void build()
}
/** Tries again after something that a person has mended. Who hears already goes on hearing while the browser asks for the microphone. */
export async function tryAgain(): Promise<void> {
  tries = 0
  wanted = true
  if (line.deaf && peer?.connected) {
    try {
      await takeMicrophone()
    } catch {
      return // line.mic says why
    }
  }
  line.deaf = false
  line.peer = 'none'
  void build()
}
export function releasePhone(): void {
  wanted = false
  building = false
  releases++
  turn++
  tries = 0
  clearTimeout(again)
  clearTimeout(doubt)
  peer?.close()
  peer = null
  if (track) {
    track.onended = null
    track.stop()
  }
  track = null
  hushCall()
  line.peer = 'none'
  line.mic = 'off'
  line.deaf = false
}
/** Begins with the microphone before the server has been asked: what a reload in mid-call must not wait for. */
export function warmUp(): void {
  void takeMicrophone().catch(() => {})
}

export const counters = (): Promise<Counters | null> => peer?.counters() ?? Promise.resolve(null)
export const microphone = (): MediaStreamTrack | null => track

watch(() => [settings.microphone, settings.clean], () => void changeMicrophone())
watch(() => settings.speaker, () => void useSpeaker())
if (typeof navigator !== 'undefined' && navigator.mediaDevices) {
  const mended = (): void => void (wanted && !track && line.mic !== 'asking' && line.mic !== 'off' && recover())
  navigator.mediaDevices.addEventListener?.('devicechange', () => {
    if (line.mic === 'none') mended()
    else void returned()
    void useSpeaker()
  })
  void whenPermitted(mended)
}
