// The queue editor's form and what it becomes on the wire.
import type { Queue } from '@/api/types'
import { dialString } from './text'

export const queueActions = ['voicemail', 'callback', 'next', 'hangup'] as const
export const strategies = ['longest_idle', 'round_robin', 'fewest_calls', 'ring_all', 'best_skill'] as const
export const wrapModes = ['none', 'optional', 'mandatory', 'timed'] as const

export interface QueueForm {
  name: string
  titleZh: string
  titleEn: string
  music: string
  announcement: string
  announceEvery: number | null
  announcePosition: boolean
  announceWait: boolean
  maxWait: number | null
  onMaxWait: string
  maxWaiting: number | null
  onFull: string
  exits: { key: string; action: string }[]
  callbackOffer: boolean
  callbackAfter: number | null
  vipPriority: number | null
  handlingTime: number | null
  strategy: string
  ring: number | null
  skills: Record<string, number>
  relax: number | null
  sticky: number | null
  backOff: number | null
  maxMisses: number | null
  serviceLevel: number | null
  shortAbandon: number | null
  wrapMode: string
  wrapSeconds: number | null
  wrapCode: string
  attempts: number | null
  retry: number | null
  callerId: string
  popUrl: string
}

const text = (v: unknown): string => (typeof v === 'string' ? v : '')
const count = (v: unknown): number | null => (typeof v === 'number' && v !== 0 ? v : null)
const part = (v: unknown): Record<string, unknown> => (typeof v === 'object' && v !== null ? (v as Record<string, unknown>) : {})

export function formOfQueue(q: Queue): QueueForm {
  const s = q.settings ?? {}
  const [offering, wrap, callbacks] = [part(s.offering), part(s.wrap), part(s.callbacks)]
  return {
    name: q.name,
    titleZh: q.title?.['zh-CN'] ?? '',
    titleEn: q.title?.en ?? '',
    music: text(s.music),
    announcement: text(s.announcement),
    announceEvery: count(s.announce_every_s),
    announcePosition: s.announce_position !== false,
    announceWait: s.announce_wait !== false,
    maxWait: count(s.max_wait_s),
    onMaxWait: text(s.on_max_wait) || 'voicemail',
    maxWaiting: count(s.max_waiting),
    onFull: text(s.on_full) || 'voicemail',
    exits: Object.entries((s.exit_keys ?? {}) as Record<string, string>).map(([key, action]) => ({ key, action })),
    callbackOffer: s.callback_offer !== false,
    callbackAfter: count(s.callback_after_s),
    vipPriority: count(s.vip_priority_s),
    handlingTime: count(s.handling_time_s),
    strategy: text(offering.strategy) || 'longest_idle',
    ring: count(offering.ring_s),
    skills: { ...(part(offering.skills) as Record<string, number>) },
    relax: count(offering.relax_s),
    sticky: count(offering.sticky_s),
    backOff: count(offering.back_off_s),
    maxMisses: count(offering.max_misses),
    serviceLevel: count(offering.service_level_s),
    shortAbandon: count(offering.short_abandon_s),
    wrapMode: text(wrap.mode) || 'optional',
    wrapSeconds: count(wrap.seconds),
    wrapCode: text(wrap.default_code),
    attempts: count(callbacks.attempts),
    retry: count(callbacks.retry_s),
    callerId: text(s.caller_id),
    popUrl: text(s.pop_url),
  }
}

/** Settings that this form does not know are kept as they were. */
export function settingsOfQueue(f: QueueForm, before: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    ...before,
    music: f.music.trim(),
    announcement: f.announcement.trim(),
    announce_every_s: f.announceEvery ?? 0,
    announce_position: f.announcePosition,
    announce_wait: f.announceWait,
    max_wait_s: f.maxWait ?? 0,
    on_max_wait: f.onMaxWait,
    max_waiting: f.maxWaiting ?? 0,
    on_full: f.onFull,
    exit_keys: Object.fromEntries(f.exits.map((e) => [e.key, e.action])),
    callback_offer: f.callbackOffer,
    callback_after_s: f.callbackAfter ?? 0,
    vip_priority_s: f.vipPriority ?? 0,
    handling_time_s: f.handlingTime ?? 0,
    offering: {
      ...part(before.offering),
      strategy: f.strategy,
      ring_s: f.ring ?? 0,
      skills: f.skills,
      relax_s: f.relax ?? 0,
      sticky_s: f.sticky ?? 0,
      back_off_s: f.backOff ?? 0,
      max_misses: f.maxMisses ?? 0,
      service_level_s: f.serviceLevel ?? 0,
      short_abandon_s: f.shortAbandon ?? 0,
    },
    wrap: { ...part(before.wrap), mode: f.wrapMode, seconds: f.wrapSeconds ?? 0, default_code: f.wrapCode },
    callbacks: { ...part(before.callbacks), attempts: f.attempts ?? 0, retry_s: f.retry ?? 0 },
    caller_id: dialString(f.callerId.trim()),
    pop_url: f.popUrl.trim(),
  }
}
