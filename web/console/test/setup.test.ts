// Forms of the set-up: what comes from the server goes back as it was, and what is empty means the default.
import { describe, expect, it } from 'vitest'
import { formOfQueue, settingsOfQueue } from '../src/lib/queue'
import { formOfLimits, formOfRoute, valueOfLimits, valueOfRoute } from '../src/lib/outbound'
import { may } from '../src/lib/can'

describe('a queue', () => {
  const settings = {
    music: 'calm', max_wait_s: 600,
    offering: { strategy: 'best_skill', ring_s: 15, skills: { english: 3 }, relax_s: 10, sticky_s: 5, back_off_s: 40, max_misses: 3, service_level_s: 30, short_abandon_s: 4, later: 1 },
    wrap: { mode: 'timed', seconds: 45, default_code: 'solved' }, callbacks: { attempts: 5, retry_s: 120 }, caller_id: '+861012345678', pop_url: 'https://crm/?phone={e164}',
  }
  const queue = { name: 'support', title: {}, settings, version: 1, waiting: 0 }
  it('goes back as it came, with what the form does not know', () => expect(settingsOfQueue(formOfQueue(queue), settings)).toMatchObject(settings))
  it('has the defaults of the server where nothing is set', () => {
    const form = formOfQueue({ ...queue, settings: {} })
    expect([form.strategy, form.wrapMode, form.ring, form.skills]).toEqual(['longest_idle', 'optional', null, {}])
    expect(settingsOfQueue(form)).toMatchObject({ offering: { ring_s: 0, skills: {} }, wrap: { seconds: 0, default_code: '' }, callbacks: { attempts: 0 } })
  })
  it('has its own skills in the form: what is typed changes nothing that was loaded', () => {
    const form = formOfQueue(queue)
    form.skills.english = 5
    expect(settings.offering.skills.english).toBe(3)
  })
})

describe('a route out', () => {
  const route = { id: 'r', name: 'Shanghai', enabled: true, position: 2, trunks: ['a', 'b'], settings: { prefixes: ['+8621', '110'], strip: 3, prepend: '9', caller_id: '+862112345678', premium: true, max_calls: 4 }, version: 3 }
  it('goes back as it came', () => expect(valueOfRoute(formOfRoute(route))).toEqual({ name: 'Shanghai', enabled: true, position: 2, trunks: ['a', 'b'], settings: route.settings }))
  it('takes prefixes as people write them', () => {
    expect(valueOfRoute({ ...formOfRoute(route), prefixes: ' +86 21\n\n+1 (212); 110' })).toMatchObject({ settings: { prefixes: ['+8621', '+1212', '110'] } })
  })
})

describe('caps', () => {
  const limits = { calls_per_day: 500, minutes_per_day: 0, agent_calls_per_day: 50, agent_minutes_per_day: 0, max_minutes: 60, deny: ['+1900'], roles: ['supervisor' as const], version: 1 }
  it('show 0 as no limit and keep it', () => {
    expect(formOfLimits(limits).minutes).toBeNull()
    const { version: _v, ...rest } = limits
    expect(valueOfLimits(formOfLimits(limits))).toEqual(rest)
  })
})

describe('rights', () => {
  it('are what the server says, else what the role has', () => {
    expect(may('agent', 'board.read')).toBe(false)
    expect(may('supervisor', 'board.read')).toBe(true)
    expect(may('supervisor', 'board.read', ['tickets.read'])).toBe(false)
    expect(may(undefined, 'tickets.read', ['tickets.read'])).toBe(false)
  })
})
