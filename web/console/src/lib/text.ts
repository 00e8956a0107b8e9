import type { Title } from '@/api/types'

/** The title in the reader's language, else in the other one, else the name itself. */
export function titleOf(title: Title | string | null | undefined, locale: string, fallback: string): string {
  if (typeof title === 'string') return title || fallback
  const own = title?.[locale as 'en' | 'zh-CN']
  return own || title?.['zh-CN'] || title?.en || fallback
}

/** +8613812345678 → +86 138 1234 5678. What it does not know it leaves alone. */
export function phone(number: string | null | undefined): string {
  if (!number) return ''
  const cnMobile = /^\+86(1\d{2})(\d{4})(\d{4})$/.exec(number)
  if (cnMobile) return `+86 ${cnMobile[1]} ${cnMobile[2]} ${cnMobile[3]}`
  const cnLand = /^\+86(10|2\d|[3-9]\d{2})(\d{3,4})(\d{4})$/.exec(number)
  if (cnLand) return `+86 ${cnLand[1]} ${cnLand[2]} ${cnLand[3]}`
  const nanp = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(number)
  if (nanp) return `+1 ${nanp[1]} ${nanp[2]} ${nanp[3]}`
  return number
}

export function bytes(n: number): string {
  if (n < 1000) return `${n} B`
  if (n < 1_000_000) return `${(n / 1000).toFixed(0)} kB`
  return `${(n / 1_000_000).toFixed(1)} MB`
}

/** Names of things that flows and URLs refer to: the rule of the server. */
export const namePattern = /^[a-z0-9][a-z0-9-]{0,62}$/

/** The digits and sign of a number as typed by a person. */
export function dialString(text: string): string {
  return text.replace(/[\s().-]/g, '')
}
