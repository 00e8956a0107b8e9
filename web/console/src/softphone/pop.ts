// Who a caller is to the person who looks, from what the pop says. Pure.
import type { Pop, PopMatch } from './protocol'

/** The match that stands for the caller: the chosen one, whom the ticket belongs to, the surest. None when several are as sure: nobody is greeted by a name that is a guess. */
export function likely(pop: Pop | null | undefined, chosen?: string): PopMatch | null {
  const matches = pop?.matches ?? []
  const order = { verified: 0, known: 1, maybe: 2 }
  const meant = matches.find((m) => m.party.id === chosen) ?? matches.find((m) => m.party.id === pop?.party)
  if (meant) return meant
  const named = matches.filter((m) => m.party.name !== '')
  const [first, second] = [...(named.length ? named : matches)].sort((a, b) => order[a.level] - order[b.level])
  return first && second && order[first.level] === order[second.level] ? null : (first ?? null)
}
/** Several people may be calling and nobody has said who: how many. */
export function openChoice(pop: Pop | null | undefined, chosen?: string): number {
  return pop && isShared(pop) && !likely(pop, chosen) ? pop.matches!.filter((m) => m.party.name !== '').length : 0
}
/** The same pop with names that were given since it was made. */
export function withNames(pop: Pop, names: Map<string, string>): Pop {
  if (!pop.matches?.some((m) => names.has(m.party.id))) return pop
  return { ...pop, matches: pop.matches.map((m) => ({ ...m, party: { ...m.party, name: names.get(m.party.id) ?? m.party.name } })) }
}
/** Nobody here has a name for this caller: a field asks for it. */
export function isUnknown(pop: Pop): boolean {
  return !pop.caller.withheld && (pop.matches ?? []).every((m) => m.party.name === '')
}
/** Several people share this number: somebody has to say which. */
export function isShared(pop: Pop): boolean {
  return (pop.matches ?? []).filter((m) => m.party.name !== '').length > 1
}
/** Only a web page may be opened for a caller, whatever the setting says. */
export function safeUrl(url: string | null | undefined): string {
  if (!url) return ''
  try {
    const parsed = new URL(url)
    return parsed.protocol === 'https:' || parsed.protocol === 'http:' ? parsed.href : ''
  } catch {
    return ''
  }
}
