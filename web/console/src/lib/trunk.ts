// The trunk editor's form and what it becomes on the wire.
import type { Trunk, TrunkSettings } from '@/api/types'

export interface TrunkForm {
  name: string
  enabled: boolean
  matchAddresses: string // one a line
  digest: boolean
  digestUser: string
  digestPassword: string
  register: boolean
  registrar: string
  registerUser: string
  registerAuthUser: string
  registerRealm: string
  registerPassword: string
  registerExpires: number | null
  host: string
  port: number | null
  transport: string
  codecs: string[]
  dtmf: string
  country: string
  nationalPrefix: string
  internationalPrefix: string
  trustedIdentity: boolean
  maxCalls: number | null
  maxCps: number | null
  optionsInterval: number | null
  srtp: boolean
  sessionTimer: number | null
  edge: string
  dial: string
}

const orNull = (n: unknown): number | null => (typeof n === 'number' && n !== 0 ? n : null)

export function formOf(trunk: Pick<Trunk, 'name' | 'enabled' | 'settings'>): TrunkForm {
  const s = trunk.settings
  return {
    name: trunk.name,
    enabled: trunk.enabled,
    matchAddresses: (s.match_addresses ?? []).join('\n'),
    digest: Boolean(s.match_digest),
    digestUser: s.match_digest?.username ?? '',
    digestPassword: '',
    register: Boolean(s.register),
    registrar: s.register?.registrar ?? '',
    registerUser: s.register?.username ?? '',
    registerAuthUser: s.register?.auth_username ?? '',
    registerRealm: s.register?.realm ?? '',
    registerPassword: '',
    registerExpires: orNull(s.register?.expires_s),
    host: s.host ?? '',
    port: orNull(s.port),
    transport: s.transport || 'udp',
    codecs: s.codecs?.length ? [...s.codecs] : ['PCMA', 'PCMU'],
    dtmf: s.dtmf || 'auto',
    country: s.country ?? '',
    nationalPrefix: s.national_prefix ?? '',
    internationalPrefix: s.international_prefix ?? '',
    trustedIdentity: Boolean(s.trusted_identity),
    maxCalls: orNull(s.max_calls),
    maxCps: orNull(s.max_cps),
    optionsInterval: orNull(s.options_interval_s),
    srtp: Boolean(s.srtp),
    sessionTimer: orNull(s.session_timer_s),
    edge: s.edge || 'sip',
    dial: s.dial ?? '',
  }
}

/** Lines with the blank ones taken out, and which line each came from is lost on purpose: the server counts what it gets. */
export function lines(text: string): string[] {
  return text.split(/[\n,;]+/).map((l) => l.trim()).filter(Boolean)
}

/** Passwords that were not typed are left out: the server keeps what it has. */
export function settingsOf(f: TrunkForm): TrunkSettings {
  const s: TrunkSettings = {
    match_addresses: lines(f.matchAddresses),
    host: f.host.trim(),
    port: f.port ?? 0,
    transport: f.transport,
    codecs: f.codecs,
    dtmf: f.dtmf,
    country: f.country.trim().toUpperCase(),
    national_prefix: f.nationalPrefix.trim(),
    international_prefix: f.internationalPrefix.trim(),
    trusted_identity: f.trustedIdentity,
    max_calls: f.maxCalls ?? 0,
    max_cps: f.maxCps ?? 0,
    options_interval_s: f.optionsInterval ?? 0,
    srtp: f.srtp,
    session_timer_s: f.sessionTimer ?? 0,
    edge: f.edge,
  }
  if (f.edge === 'asterisk' && f.dial.trim()) s.dial = f.dial.trim()
  if (f.digest) s.match_digest = { username: f.digestUser.trim(), ...(f.digestPassword && { password: f.digestPassword }) }
  if (f.register) {
    s.register = {
      registrar: f.registrar.trim(), username: f.registerUser.trim(), auth_username: f.registerAuthUser.trim(), realm: f.registerRealm.trim(),
      expires_s: f.registerExpires ?? 0, ...(f.registerPassword && { password: f.registerPassword }),
    }
  }
  return s
}

/** The paths that the form has a place for. */
export const trunkPaths = [
  'name', 'enabled', 'settings.match_addresses*', 'settings.match_digest', 'settings.match_digest.username', 'settings.match_digest.password', 'settings.register',
  'settings.register.registrar', 'settings.register.username', 'settings.register.auth_username', 'settings.register.realm', 'settings.register.auth.username',
  'settings.register.password', 'settings.register.expires_s', 'settings.host', 'settings.port', 'settings.transport', 'settings.codecs*', 'settings.dtmf', 'settings.country',
  'settings.national_prefix', 'settings.international_prefix', 'settings.trusted_identity', 'settings.max_calls', 'settings.max_cps', 'settings.options_interval_s',
  'settings.srtp', 'settings.session_timer_s', 'settings.edge', 'settings.dial',
]
