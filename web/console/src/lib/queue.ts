// The queue editor's form and what it becomes on the wire.
import type { Queue } from '@/api/types'

export const queueActions = ['voicemail', 'callback', 'next', 'hangup'] as const

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
}

const text = (v: unknown): string => (typeof v === 'string' ? v : '')
const count = (v: unknown): number | null => (typeof v === 'number' && v !== 0 ? v : null)

export function formOfQueue(q: Queue): QueueForm {
  const s = q.settings ?? {}
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
  }
}
