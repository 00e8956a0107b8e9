// The week as a grid of minutes, and what is wrong with a range before the server is asked.
import type { Range, Schedule } from '@/api/types'

export const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Day = (typeof days)[number]

/** "09:30" → 570; "24:00" → 1440; NaN when it is no time. */
export function minutes(time: string): number {
  const m = /^(\d{1,2}):(\d{2})$/.exec(time)
  if (!m) return NaN
  const n = Number(m[1]) * 60 + Number(m[2])
  return Number(m[2]) < 60 && n <= 1440 ? n : NaN
}

export interface Block {
  from: number // minutes of the day
  to: number
  spill: boolean // began on the day before
}

/** The blocks of each day, with what reaches past midnight shown on the next one. */
export function blocks(schedule: Schedule): Record<Day, Block[]> {
  const week = Object.fromEntries(days.map((d) => [d, [] as Block[]])) as Record<Day, Block[]>
  for (const w of schedule.weekly ?? []) {
    const day = w.day as Day
    const from = minutes(w.from)
    const to = minutes(w.to)
    if (!week[day] || Number.isNaN(from) || Number.isNaN(to)) continue
    if (to > from) week[day].push({ from, to, spill: false })
    else {
      week[day].push({ from, to: 1440, spill: false })
      const next = days[(days.indexOf(day) + 1) % 7]!
      if (to > 0) week[next].push({ from: 0, to, spill: true })
    }
  }
  return week
}

/** "09:00-12:00, 13:30-18:00" ↔ ranges: how a holiday's own times are typed. */
export function rangesText(ranges: Range[] | null | undefined): string {
  return (ranges ?? []).map((r) => `${r.from}–${r.to}`).join(', ')
}
export function parseRanges(text: string): Range[] {
  return text
    .split(/[,;，；]/)
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => {
      const [from = '', to = ''] = part.split(/\s*[-–—~～至]\s*/)
      return { from: clockTime(from), to: clockTime(to) }
    })
}
/** "9", "930", "9：30" → "09:00", "09:30", "09:30"; what is no time stays as it was typed. */
export function clockTime(time: string): string {
  const m = /^(\d{1,2})(?:[:：.]?(\d{2}))?$/.exec(time.trim())
  return m ? `${m[1]!.padStart(2, '0')}:${m[2] ?? '00'}` : time.trim()
}
