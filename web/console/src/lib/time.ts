// Times and durations as people read them. Pure: language, zone and now come in as arguments.

type Zoned = { locale: string; timeZone: string }

const formats = new Map<string, Intl.DateTimeFormat>()

function formatter(z: Zoned, name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${z.locale}|${z.timeZone}|${name}`
  let f = formats.get(key)
  if (!f) {
    f = new Intl.DateTimeFormat(z.locale, { timeZone: z.timeZone, hourCycle: 'h23', ...options })
    formats.set(key, f)
  }
  return f
}

/** The exact time, to the second, with the zone's name. */
export function exact(at: string | Date, z: Zoned): string {
  return formatter(z, 'exact', {
    year: 'numeric', month: 'short', day: 'numeric', weekday: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short',
  }).format(new Date(at))
}

/** Time of day, with the date when it is not the day of `now`. */
export function clock(at: string | Date, now: Date, z: Zoned): string {
  const date = new Date(at)
  const day = formatter(z, 'day', { year: 'numeric', month: '2-digit', day: '2-digit' })
  const time = formatter(z, 'time', { hour: '2-digit', minute: '2-digit' }).format(date)
  if (day.format(date) === day.format(now)) return time
  return `${shortDate(date, now, z)} ${time}`
}

/** "12 Mar", with the year when it is another one. */
export function shortDate(at: string | Date, now: Date, z: Zoned): string {
  const date = new Date(at)
  const year = formatter(z, 'year', { year: 'numeric' })
  const same = year.format(date) === year.format(now)
  return formatter(z, same ? 'md' : 'ymd', same ? { month: 'short', day: 'numeric' } : { year: 'numeric', month: 'short', day: 'numeric' }).format(date)
}

/** A calendar day such as a group heading: weekday and date. */
export function dayName(at: string | Date, z: Zoned): string {
  return formatter(z, 'dayname', { weekday: 'long', month: 'long', day: 'numeric' }).format(new Date(at))
}

/** The day in the zone, as a key for grouping: 2026-03-12. */
export function dayKey(at: string | Date, timeZone: string): string {
  return formatter({ locale: 'en-CA', timeZone }, 'key', { year: 'numeric', month: '2-digit', day: '2-digit' }).format(new Date(at))
}

/** The exact time to the millisecond, for ladders. */
export function millis(at: string | Date, z: Zoned): string {
  return formatter(z, 'millis', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 }).format(new Date(at))
}

const relatives = new Map<string, Intl.RelativeTimeFormat>()

/** "3 min ago", "in 2 h": short, and a plain date beyond a week. */
export function relative(at: string | Date, now: Date, z: Zoned): string {
  const date = new Date(at)
  const seconds = (date.getTime() - now.getTime()) / 1000
  const size = Math.abs(seconds)
  let r = relatives.get(z.locale)
  if (!r) {
    r = new Intl.RelativeTimeFormat(z.locale, { numeric: 'auto', style: 'narrow' })
    relatives.set(z.locale, r)
  }
  if (size < 45) return r.format(0, 'second')
  if (size < 3600) return r.format(Math.round(seconds / 60) || Math.sign(seconds), 'minute')
  if (size < 86400) return r.format(Math.round(seconds / 3600), 'hour')
  if (size < 7 * 86400) return r.format(Math.round(seconds / 86400), 'day')
  return shortDate(date, now, z)
}

/** 0:07, 12:30, 1:02:03. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return '–'
  const total = Math.max(0, Math.round(ms / 1000))
  const h = Math.floor(total / 3600)
  const m = Math.floor((total % 3600) / 60)
  const s = String(total % 60).padStart(2, '0')
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${s}` : `${m}:${s}`
}

/** How far apart two instants of a ladder are: "+0.0 ms", "+12 ms", "+1.204 s". */
export function offset(ms: number): string {
  if (ms < 1) return '+0 ms'
  if (ms < 1000) return `+${Math.round(ms)} ms`
  if (ms < 60_000) return `+${(ms / 1000).toFixed(3)} s`
  return `+${duration(ms)}`
}
