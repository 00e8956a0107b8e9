// "@Name" in a note: what is being typed, who is meant, and how it is shown.
import type { Person } from '@/api/types'

/** The "@…" that ends at the caret, when one is being typed: at the beginning or after what is no letter of a word. */
export function typing(text: string, caret: number): { from: number; query: string } | null {
  const before = text.slice(0, caret)
  const at = before.lastIndexOf('@')
  if (at < 0 || caret - at > 40) return null
  if (at > 0 && /[\p{Script=Latin}\p{N}._-]/u.test(before[at - 1]!)) return null // an e-mail address
  const query = before.slice(at + 1)
  return /[\n@]/.test(query) || /^\s/.test(query) || /\s\S*\s/.test(query) ? null : { from: at, query }
}

/** Who fits what was typed: whose name begins with it first, then who has it anywhere. */
export function matches<P extends Person>(people: P[], query: string, most = 7): P[] {
  const q = query.trim().toLowerCase()
  const rank = (p: P): number => {
    const name = p.name.toLowerCase()
    if (name.startsWith(q)) return 0
    return name.split(/[\s·-]+/).some((part) => part.startsWith(q)) ? 1 : name.includes(q) ? 2 : 3
  }
  return people
    .map((p) => ({ p, r: rank(p) }))
    .filter(({ r }) => r < 3)
    .sort((a, b) => a.r - b.r || a.p.name.localeCompare(b.p.name))
    .slice(0, most)
    .map(({ p }) => p)
}

export interface Part {
  text: string
  person?: Person
}

/** The text cut at its mentions. The longest name wins: "@Li Na" is not "@Li". */
export function parts(text: string, people: Person[]): Part[] {
  const byLength = people.filter((p) => p.name).sort((a, b) => b.name.length - a.name.length)
  const out: Part[] = []
  let from = 0
  for (let i = text.indexOf('@'); i >= 0; i = text.indexOf('@', i + 1)) {
    if (i < from) continue
    const person = byLength.find((p) => text.startsWith(p.name, i + 1) && !continues(text, i + 1 + p.name.length, p.name))
    if (!person) continue
    if (i > from) out.push({ text: text.slice(from, i) })
    out.push({ text: `@${person.name}`, person })
    from = i + 1 + person.name.length
  }
  if (from < text.length) out.push({ text: text.slice(from) })
  return out
}
/** Whether a Latin word goes on after the name. */
function continues(text: string, at: number, name: string): boolean {
  const latin = /[\p{Script=Latin}\p{N}]/u
  return latin.test(name[name.length - 1]!) && latin.test(text[at] ?? '')
}

/** The ids of those named in a note. Of several with the same name those who were picked, else all. */
export function mentioned(text: string, people: Person[], picked: ReadonlySet<string>): string[] {
  const names = new Set(parts(text, people).flatMap((p) => p.person?.name ?? []))
  return [...names].flatMap((name) => {
    const same = people.filter((p) => p.name === name)
    const chosen = same.filter((p) => picked.has(p.id))
    return (chosen.length ? chosen : same).map((p) => p.id)
  })
}
