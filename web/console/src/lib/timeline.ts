// Timeline events as the ticket page shows them: what changed, from what, to what.
import type { TimelineEvent } from '@/api/types'

export interface Change {
  field: string
  from: string
  to: string
  why?: string // when Hotline did it by itself
}

const text = (value: unknown): string => {
  if (value === null || value === undefined) return ''
  if (typeof value === 'object') return String((value as { name?: unknown }).name ?? (value as { id?: unknown }).id ?? '')
  return String(value)
}

/** A change of one field, when the event is one. */
export function changeOf(event: TimelineEvent): Change | undefined {
  const data = event.data ?? {}
  if (!('to' in data) && !('from' in data)) return undefined
  if (event.kind === 'call_moved' || event.kind === 'call') return undefined
  return { field: event.kind, from: text(data.from), to: text(data.name) || text(data.to), why: text(data.why) || undefined }
}

/** Events of one call or note are one entry; small changes by one person within a minute are one line. */
export interface Entry {
  key: number
  kind: 'call' | 'note' | 'voicemail' | 'wrap' | 'callback' | 'file' | 'changes' | 'other'
  events: TimelineEvent[]
}

export function group(events: TimelineEvent[]): Entry[] {
  const entries: Entry[] = []
  for (const event of events) {
    if (event.kind === 'call_ended' && events.some((e) => e.kind === 'call' && e.call?.id === event.data?.call_id)) continue // the call's own entry tells
    const kind = kindOf(event)
    const last = entries[entries.length - 1]
    const before = last?.events[last.events.length - 1]
    const joins =
      kind === 'changes' && last?.kind === 'changes' && before && before.actor?.id === event.actor?.id && Date.parse(event.at) - Date.parse(before.at) < 60_000
    if (joins) last.events.push(event)
    else entries.push({ key: event.seq, kind, events: [event] })
  }
  return entries
}

function kindOf(event: TimelineEvent): Entry['kind'] {
  if (event.kind === 'note' || event.interaction?.kind === 'note') return 'note'
  if (event.kind === 'voicemail') return 'voicemail'
  if (event.kind === 'wrap' || event.kind === 'callback') return event.kind
  if (event.kind === 'attachment') return 'file'
  if (event.call || event.kind === 'call') return 'call'
  return changeOf(event) ? 'changes' : 'other'
}

/** Milliseconds a caller waited before the answer, or in all when nobody took the call. */
export function waited(call: { started_at: string; answered_at: string | null; ended_at: string | null }, now: Date): number {
  const end = call.answered_at ?? call.ended_at
  return (end ? Date.parse(end) : now.getTime()) - Date.parse(call.started_at)
}

/** A file as the timeline has it; it is gone when a later event says so. */
export interface FileEntry {
  id: string
  name: string
  bytes: number
  gone: boolean
}
export function fileOf(event: TimelineEvent, all: TimelineEvent[]): FileEntry {
  const id = text(event.data?.id)
  return { id, name: text(event.data?.name), bytes: Number(event.data?.bytes ?? 0), gone: all.some((e) => e.kind === 'attachment_removed' && e.data?.id === id) }
}

/** Those named in a note. */
export function mentionsOf(event: TimelineEvent): { id: string; name: string }[] {
  const list = event.data?.mentions
  return Array.isArray(list) ? (list as { id: string; name: string }[]).filter((m) => typeof m?.name === 'string') : []
}
