// Timeline events as the ticket page shows them: what changed, from what, to what.
import type { TimelineEvent } from '@/api/types'

export interface Change {
  field: string
  from: string
  to: string
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
  const named = (end: 'from' | 'to'): string => text(data[`${end}_name`]) || text(data[end])
  return { field: text(data.field) || event.kind, from: named('from'), to: named('to') }
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
