// The ringtone, made by arithmetic: two soft strokes and a rest, on a device of its own.
import { ref } from 'vue'
import { settings } from './settings'

export type Tone = 'queue' | 'inside'
/** Hz, second of the stroke. A colleague's call rings lower than a customer's. */
const strokes: Record<Tone, [number, number][]> = {
  queue: [[784, 0], [988, 0.16], [784, 0.5], [988, 0.66]],
  inside: [[523, 0], [659, 0.2]],
}
const period = 3 // seconds

/** One period of the tone as samples. */
export function ringtone(tone: Tone, rate: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(Math.round(period * rate))
  for (const [hertz, at] of strokes[tone]) {
    const from = Math.round(at * rate)
    const length = Math.min(out.length - from, Math.round(1.1 * rate))
    for (let i = 0; i < length; i++) {
      const t = i / rate
      const attack = Math.min(1, t / 0.006)
      const body = Math.sin(2 * Math.PI * hertz * t) * Math.exp(-t * 5.5) + 0.35 * Math.sin(4 * Math.PI * hertz * t) * Math.exp(-t * 9)
      out[from + i]! += 0.3 * attack * body * Math.min(1, (length - i) / (0.05 * rate))
    }
  }
  return out
}

/** True while the browser keeps the page silent because nobody has touched it yet. */
export const ringBlocked = ref(false)

type Sinkable = AudioContext & { setSinkId?: (id: string) => Promise<void> }
let context: Sinkable | null = null
let gain: GainNode | null = null
let source: AudioBufferSourceNode | null = null

async function ready(): Promise<Sinkable> {
  if (!context) {
    context = new AudioContext() as Sinkable
    gain = context.createGain()
    gain.connect(context.destination)
    context.onstatechange = () => {
      if (context?.state === 'running') ringBlocked.value = false
    }
  }
  try {
    await context.setSinkId?.(settings.ringer)
  } catch {
    await context.setSinkId?.('').catch(() => {}) // the ringer is unplugged: ring where there is sound
  }
  return context
}

let wanted = 0
export async function ring(tone: Tone): Promise<void> {
  const mine = ++wanted
  const c = await ready()
  if (mine !== wanted) return
  silence()
  gain!.gain.value = settings.volume
  const buffer = c.createBuffer(1, period * c.sampleRate, c.sampleRate)
  buffer.copyToChannel(ringtone(tone, c.sampleRate), 0)
  source = c.createBufferSource()
  source.buffer = buffer
  source.loop = true
  source.connect(gain!)
  source.start()
  if (c.state !== 'running') {
    ringBlocked.value = true
    await c.resume().catch(() => {}) // waits for the first click or key if the browser wants one
  }
}
export function stopRinging(): void {
  wanted++
  silence()
  ringBlocked.value = false
}
function silence(): void {
  source?.stop()
  source?.disconnect()
  source = null
}
/** Once, for the settings. */
export async function tryRing(): Promise<void> {
  await ring('queue')
  const mine = wanted
  setTimeout(() => mine === wanted && stopRinging(), period * 1000 - 400)
}
/** Called on any click or key: what was held back may sound now. */
export function unblockRing(): void {
  if (context?.state === 'suspended') void context.resume().catch(() => {})
}
