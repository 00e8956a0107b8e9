// Whom a call can go to: colleagues, queues and numbers that fit what was typed. Pure.
import { dialString } from '@/lib/text'
import type { AgentState, Colleague, NamedTitle, Target } from './protocol'

export interface Choice extends Target {
  title: string
  state?: AgentState // of a colleague
}

/** What may be dialled as it was typed: digits with an optional plus, long enough to be a number or an extension. */
export function asNumber(text: string): string {
  const dialled = dialString(text.trim())
  return /^\+?[0-9]{3,20}$/.test(dialled) ? dialled : ''
}

const order: Partial<Record<AgentState, number>> = { ready: 0, wrap_up: 1, talking: 2, reserved: 2, ringing: 2, not_ready: 3, not_responding: 4, offline: 5 }

export function choices(typed: string, people: Colleague[], queues: NamedTitle[], me: string, title: (q: NamedTitle) => string): Choice[] {
  const q = typed.trim().toLowerCase()
  const fits = (...texts: string[]): boolean => q === '' || texts.some((x) => x.toLowerCase().includes(q))
  const number = asNumber(typed)
  const found: Choice[] = number ? [{ kind: 'number', value: number, title: number }] : []
  const agents = people
    .filter((p) => p.id !== me && fits(p.name))
    .sort((a, b) => (order[a.state] ?? 5) - (order[b.state] ?? 5) || a.name.localeCompare(b.name))
  const away = (p: Colleague): boolean => p.state === 'offline' || p.state === 'not_responding'
  const colleague = (p: Colleague): Choice => ({ kind: 'agent', value: p.id, title: p.name, state: p.state })
  for (const p of agents) if (!away(p)) found.push(colleague(p))
  for (const one of queues) if (fits(one.name, title(one))) found.push({ kind: 'queue', value: one.name, title: title(one) })
  for (const p of agents) if (away(p)) found.push(colleague(p)) // last, so that Enter sends nobody where nobody is
  return found
}

/** Who is there to be asked: nobody can be consulted in a queue, nor when offline. */
export function canConsult(c: Choice): boolean {
  return c.kind === 'number' || (c.kind === 'agent' && c.state !== 'offline' && c.state !== undefined)
}
