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
  kind: 'call' | 'note' | 'voicemail' | 'changes' | 'other'
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
  if (event.call || event.kind === 'call') return 'call'
  return changeOf(event) ? 'changes' : 'other'
}

/** Milliseconds a caller waited before the answer, or in all when nobody took the call. */
export function waited(call: { started_at: string; answered_at: string | null; ended_at: string | null }, now: Date): number {
  const end = call.answered_at ?? call.ended_at
  return (end ? Date.parse(end) : now.getTime()) - Date.parse(call.started_at)
}
