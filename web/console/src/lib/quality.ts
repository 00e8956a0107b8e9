import type { Quality } from '@/api/types'
import type { Tone } from '@/components/ui/tones'


/** Loss as a part of what should have come, in percent. */
export function lossPercent(q: Quality): number {
  const received = q.packets_received ?? 0
  const lost = Math.max(0, q.lost ?? 0)
  return received + lost > 0 ? (100 * lost) / (received + lost) : 0
}

/** G.107's user opinion: above 4.0 satisfied, 3.6 some, 3.1 many dissatisfied. */
export function mosTone(mos: number): Tone {
  return mos >= 4 ? 'ok' : mos >= 3.6 ? 'plain' : mos >= 3.1 ? 'warn' : 'alarm'
}
export function mosWord(mos: number): 'good' | 'fair' | 'poor' | 'bad' {
  return mos >= 4 ? 'good' : mos >= 3.6 ? 'fair' : mos >= 3.1 ? 'poor' : 'bad'
}
