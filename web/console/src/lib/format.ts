// Formatting bound to the reader: language from the catalogue, zone from the account.
import { useI18n } from 'vue-i18n'
import { useSession } from '@/stores/session'
import { now } from './load'
import * as time from './time'
import { titleOf } from './text'
import type { Title } from '@/api/types'

export function useFormat() {
  const { locale } = useI18n()
  const session = useSession()
  const zoned = () => ({ locale: locale.value, timeZone: session.timeZone })
  return {
    exact: (at: string | Date) => time.exact(at, zoned()),
    clock: (at: string | Date) => time.clock(at, now.value, zoned()),
    shortDate: (at: string | Date) => time.shortDate(at, now.value, zoned()),
    relative: (at: string | Date) => time.relative(at, now.value, zoned()),
    day: (at: string | Date) => time.dayName(at, zoned()),
    dayKey: (at: string | Date) => time.dayKey(at, session.timeZone),
    millis: (at: string | Date) => time.millis(at, zoned()),
    duration: time.duration,
    title: (title: Title | string | null | undefined, fallback: string) => titleOf(title, locale.value, fallback),
    number: (n: number, digits = 0) => new Intl.NumberFormat(locale.value, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(n),
  }
}
