import { ApiError, type FieldError } from '@/api/client'
import { i18n } from '@/i18n'

export interface Described {
  text: string
  detail?: string // what the server said beyond it, in English
}

/** An error in the reader's language: by its code, else as the server said it. */
export function describe(error: unknown): Described {
  if (error instanceof ApiError) return translate(error.code, error.detail)
  return { text: i18n.global.t('errors.unexpected'), detail: error instanceof Error ? error.message : undefined }
}

/** English readers get the server's own sentence, which is the most exact; others the translation and that sentence below. */
export function translate(code: string | undefined, message: string): Described {
  const { t, te, locale } = i18n.global
  const key = `errors.${code}`
  const known = code !== undefined && code !== '' && te(key)
  if (locale.value === 'en') return { text: message || (known ? t(key) : t('errors.unexpected')) }
  if (known) return { text: t(key), detail: message || undefined }
  return { text: message || t('errors.unexpected') }
}

/** Errors by the field they belong to, with what belongs to no known field apart. */
export function byField(error: unknown, known: (path: string) => boolean): { fields: Record<string, string>; rest: Described[] } {
  const fields: Record<string, string> = {}
  const rest: Described[] = []
  if (!(error instanceof ApiError)) return { fields, rest: error ? [describe(error)] : [] }
  for (const one of error.fields) place(one, known, fields, rest)
  if (error.fields.length === 0) rest.push(describe(error))
  return { fields, rest }
}

function place(one: FieldError, known: (path: string) => boolean, fields: Record<string, string>, rest: Described[]): void {
  const path = normalPath(one.path)
  const said = translate(one.code, withoutPath(one.message, one.path))
  const text = said.detail && said.detail !== said.text ? `${said.text} (${said.detail})` : said.text
  if (known(path)) fields[path] = fields[path] ? `${fields[path]} ${text}` : text
  else rest.push({ text: path ? `${path}: ${text}` : text })
}

/** The server names the field at the head of some messages; here it stands at the field anyway. */
function withoutPath(message: string, path: string): string {
  return path && message.startsWith(`${path}: `) ? message.slice(path.length + 2) : message
}

/** "/settings/match_addresses/0", "body.settings.match_addresses[0]" → "settings.match_addresses[0]". */
export function normalPath(path: string): string {
  return path
    .replace(/^[#$]?[/.]?((body|path)[./])?/, '')
    .replace(/\//g, '.')
    .replace(/\.(\d+)(?=\.|$)/g, '[$1]')
}
