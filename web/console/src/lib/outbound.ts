// The forms of an outbound route and of the caps, and what they become on the wire.
import type { OutboundLimits, OutboundRoute } from '@/api/agent-types'
import type { Role } from '@/api/types'
import { lines } from './trunk'
import { dialString } from './text'

export interface RouteForm {
  name: string
  enabled: boolean
  position: number | null
  prefixes: string // one a line
  trunks: string[]
  strip: number | null
  prepend: string
  callerId: string
  premium: boolean
  maxCalls: number | null
}
const orNull = (n: number | undefined): number | null => n || null

export function formOfRoute(r: OutboundRoute): RouteForm {
  const s = r.settings
  return {
    name: r.name,
    enabled: r.enabled,
    position: orNull(r.position),
    prefixes: (s.prefixes ?? []).join('\n'),
    trunks: [...(r.trunks ?? [])],
    strip: orNull(s.strip),
    prepend: s.prepend ?? '',
    callerId: s.caller_id ?? '',
    premium: Boolean(s.premium),
    maxCalls: orNull(s.max_calls),
  }
}
export function valueOfRoute(f: RouteForm): object {
  return {
    name: f.name.trim(),
    enabled: f.enabled,
    position: f.position ?? 0,
    trunks: f.trunks,
    settings: {
      prefixes: lines(f.prefixes).map(dialString),
      strip: f.strip ?? 0,
      prepend: f.prepend.trim(),
      caller_id: dialString(f.callerId.trim()),
      premium: f.premium,
      max_calls: f.maxCalls ?? 0,
    },
  }
}
export const routePaths = ['name', 'enabled', 'position', 'trunks*', 'settings.prefixes*', 'settings.strip', 'settings.prepend', 'settings.caller_id', 'settings.premium', 'settings.max_calls']

export interface LimitsForm {
  calls: number | null
  minutes: number | null
  agentCalls: number | null
  agentMinutes: number | null
  maxMinutes: number | null
  deny: string
  roles: Role[]
}
export function formOfLimits(l: OutboundLimits): LimitsForm {
  return {
    calls: orNull(l.calls_per_day),
    minutes: orNull(l.minutes_per_day),
    agentCalls: orNull(l.agent_calls_per_day),
    agentMinutes: orNull(l.agent_minutes_per_day),
    maxMinutes: orNull(l.max_minutes),
    deny: (l.deny ?? []).join('\n'),
    roles: [...(l.roles ?? [])],
  }
}
export function valueOfLimits(f: LimitsForm): object {
  return {
    calls_per_day: f.calls ?? 0,
    minutes_per_day: f.minutes ?? 0,
    agent_calls_per_day: f.agentCalls ?? 0,
    agent_minutes_per_day: f.agentMinutes ?? 0,
    max_minutes: f.maxMinutes ?? 0,
    deny: lines(f.deny).map(dialString),
    roles: f.roles,
  }
}
