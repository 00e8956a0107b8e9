import { beforeEach, describe, expect, it } from 'vitest'
import { ApiError } from '../src/api/client'
import type { OutlineNode, TimelineEvent } from '../src/api/types'
import { i18n } from '../src/i18n'
import { may } from '../src/lib/can'
import { blocks, clockTime, minutes, parseRanges, rangesText } from '../src/lib/hours'
import { phonePlaces, places } from '../src/lib/nav'
import { normalPath } from '../src/lib/problem'
import { useProblems } from '../src/lib/problems'
import { looksLikeWav, pairs } from '../src/lib/prompts'
import { dialString, phone, titleOf } from '../src/lib/text'
import { changeOf, group } from '../src/lib/timeline'
import { treeOf } from '../src/lib/tree'
import { formOf, settingsOf } from '../src/lib/trunk'
import { bars, nextSpeed, wavePath } from '../src/lib/wave'
import { numberOf } from '../src/lib/who'
import { visibleRows } from '../src/lib/window'
import { keyCaps, keyName } from '../src/stores/keys'

describe('errors', () => {
  beforeEach(() => (i18n.global.locale.value = 'en'))
  it('normalise paths of every spelling', () => {
    expect(normalPath('body.settings.match_addresses[0]')).toBe('settings.match_addresses[0]')
    expect(normalPath('path.name')).toBe('name')
    expect(normalPath('/settings/match_addresses/0')).toBe('settings.match_addresses[0]')
    expect(normalPath('$.name')).toBe('name')
  })
  it('stand at their field, with what is below it; the rest stands above the form', () => {
    const problems = useProblems(['name', 'settings.match_addresses*'])
    problems.take(new ApiError(422, 'request.invalid', '', [{ path: 'settings.match_addresses[1]', message: '300.1.1.1 is no address' }, { path: 'elsewhere', message: 'odd' }]))
    expect(problems.at('settings.match_addresses')).toBe('#2: 300.1.1.1 is no address')
    expect(problems.at('name')).toBeUndefined()
    expect(problems.rest.value.map((r) => r.text)).toEqual(['elsewhere: odd'])
  })
  it('are translated by code, with the server’s own words beside them', () => {
    i18n.global.locale.value = 'zh-CN'
    const problems = useProblems(['host'])
    problems.take(new ApiError(422, 'request.invalid', '', [{ path: 'host', message: 'no', code: 'trunk.bad_host' }]))
    expect(problems.at('host')).toBe('不是有效的主机 (no)')
    problems.take(new ApiError(500, 'never.heard.of', 'It broke.'))
    expect(problems.rest.value[0]!.text).toBe('It broke.')
  })
  it('know a conflict', () => expect(new ApiError(409, 'trunk.changed', '').conflict).toBe(true))
})

describe('roles', () => {
  it('keep siblings apart', () => {
    expect(may('supervisor', 'recordings.download')).toBe(true)
    expect(may('engineer', 'recordings.download')).toBe(false)
    expect(may('supervisor', 'traces.read')).toBe(false)
    expect(may('agent', 'queues.write')).toBe(false)
    expect(may('admin', 'accounts.manage')).toBe(true)
    expect(may(undefined, 'tickets.write')).toBe(false)
  })
})

describe('keys', () => {
  const press = (key: string, mods: Partial<KeyboardEvent> = {}): string => keyName({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...mods } as KeyboardEvent)
  it('have names that do not depend on where a sign lies', () => {
    expect(press('j')).toBe('j')
    expect(press('R', { shiftKey: true })).toBe('shift+r')
    expect(press('?', { shiftKey: true })).toBe('?')
    expect(press('>', { shiftKey: true })).toBe('>')
    expect(press('k', { ctrlKey: true })).toBe('mod+k')
    expect(press('Shift', { shiftKey: true })).toBe('')
    expect(press('j', { metaKey: true })).toBe('')
  })
  it('are shown as caps', () => {
    expect(keyCaps('mod+k')).toEqual(['Ctrl K'])
    expect(keyCaps('g t')).toEqual(['G', 'T'])
    expect(keyCaps('shift+arrowleft')).toEqual(['⇧ ←'])
  })
})

describe('hours', () => {
  it('read times', () => {
    expect(minutes('09:30')).toBe(570)
    expect(minutes('24:00')).toBe(1440)
    expect(minutes('24:30')).toBeNaN()
    expect([clockTime('9'), clockTime('930'), clockTime('9：05'), clockTime('late')]).toEqual(['09:00', '09:30', '09:05', 'late'])
  })
  it('carry a night over midnight, Sunday into Monday', () => {
    const week = blocks({ weekly: [{ day: 'sun', from: '22:00', to: '06:00' }], holidays: [], overrides: [] })
    expect(week.sun).toEqual([{ from: 1320, to: 1440, spill: false }])
    expect(week.mon).toEqual([{ from: 0, to: 360, spill: true }])
  })
  it('write and read ranges', () => {
    const ranges = [{ from: '09:00', to: '12:00' }, { from: '13:30', to: '18:00' }]
    expect(parseRanges(rangesText(ranges))).toEqual(ranges)
    expect(parseRanges('9-12，13:30至18')).toEqual([{ from: '09:00', to: '12:00' }, { from: '13:30', to: '18:00' }])
    expect(parseRanges('')).toEqual([])
  })
})

describe('flows', () => {
  const node = (id: string, ...next: [string, string][]): OutlineNode => ({ id, kind: 'menu', title: '', summary: {}, line: 1, next: next.map(([on, to]) => ({ on, to })) })
  it('become a tree in which a loop is a reference', () => {
    const rows = treeOf([node('a', ['1', 'b'], ['2', 'gone']), node('b', ['*', 'a']), node('alone')])
    expect(rows.map((r) => [r.to, r.depth, r.reference, r.loose, r.node !== undefined])).toEqual([
      ['a', 0, false, false, true], ['b', 1, false, false, true], ['a', 2, true, false, true], ['gone', 1, false, false, false], ['alone', 0, false, true, true],
    ])
  })
})

describe('timeline', () => {
  const event = (seq: number, kind: string, data: object, at = '2026-01-01T00:00:00Z', actor = 'u1'): TimelineEvent => ({ seq, kind, at, actor: { id: actor, name: '' }, data: data as Record<string, unknown>, interaction: null, call: null })
  it('puts changes by one person within a minute together', () => {
    const entries = group([event(1, 'state', { from: 'new', to: 'open' }), event(2, 'priority', { from: 'normal', to: 'high' }, '2026-01-01T00:00:30Z'), event(3, 'queue', { from: '', to: 'x' }, '2026-01-01T00:05:00Z'), event(4, 'note', {})])
    expect(entries.map((e) => [e.kind, e.events.length])).toEqual([['changes', 2], ['changes', 1], ['note', 1]])
  })
  it('names whom a ticket was given to', () => {
    expect(changeOf(event(1, 'owner', { from: '', to: 'u2', name: 'Li Lei' }))).toMatchObject({ field: 'owner', from: '', to: 'Li Lei' })
    expect(changeOf(event(1, 'created', {}))).toBeUndefined()
  })
})

describe('trunks', () => {
  it('go through the form unchanged, and an untouched password is not sent', () => {
    const settings = { match_addresses: ['203.0.113.0/24', '198.51.100.7'], match_digest: { username: 'u', password_set: true }, codecs: ['PCMU'], dtmf: 'info', max_calls: 30, trusted_identity: true }
    const out = settingsOf(formOf({ name: 't', enabled: true, settings }))
    expect(out).toMatchObject({ match_addresses: settings.match_addresses, codecs: ['PCMU'], dtmf: 'info', max_calls: 30, trusted_identity: true, match_digest: { username: 'u' } })
    expect(out.match_digest).not.toHaveProperty('password')
    expect(out).not.toHaveProperty('register')
  })
})

describe('small things', () => {
  it('write numbers as people do', () => {
    expect(phone('+8613812345678')).toBe('+86 138 1234 5678')
    expect(phone('+861012345678')).toBe('+86 10 1234 5678')
    expect(phone('4000')).toBe('4000')
    expect(phone(null)).toBe('')
    expect(dialString('+86 (138) 1234-5678')).toBe('+8613812345678')
  })
  it('choose titles', () => {
    expect(titleOf({ en: 'Support', 'zh-CN': '支持' }, 'zh-CN', 'x')).toBe('支持')
    expect(titleOf({ en: 'Support' }, 'zh-CN', 'x')).toBe('Support')
    expect(titleOf({}, 'en', 'x')).toBe('x')
  })
  it('draw waves', () => {
    expect(bars([0, 255, 0, 128], 2)).toEqual([1, 128 / 255])
    expect(bars(undefined, 3)).toEqual([])
    expect(wavePath([[255], [255]], 9, 20).match(/M/g)).toHaveLength(3)
    expect(nextSpeed(2, 1)).toBe(2)
    expect(nextSpeed(1, -1)).toBe(0.75)
  })
  it('keep only the rows that are seen', () => {
    const { first, last } = visibleRows(34 * 500_000, 680, 34, 1_000_000)
    expect(first).toBeGreaterThan(499_900)
    expect(last - first).toBeLessThan(60)
    expect(visibleRows(0, 680, 34, 3)).toEqual({ first: 0, last: 3 })
    expect(visibleRows(99_999, 680, 34, 3).last).toBe(3)
  })
  it('pair the languages of prompts, one’s own first', () => {
    const p = (name: string, language: 'en' | 'zh-CN', built_in: boolean) => ({ name, language, built_in, kind: 'speech' as const, text: '', duration_ms: 0, version: 1, updated_at: '', updated_by: '' })
    expect(pairs([p('a', 'en', true), p('b', 'en', false), p('b', 'zh-CN', true)]).map((x) => [x.name, x.builtIn])).toEqual([['b', false], ['a', true]])
  })
  it('tell a WAV file from others', async () => {
    expect(await looksLikeWav(new Blob(['RIFF\x00\x00\x00\x00WAVEfmt ']))).toBe(true)
    expect(await looksLikeWav(new Blob(['ID3']))).toBe(false)
  })
})

describe('the number of a customer', () => {
  const one = (value: string, level: 'verified' | 'known' | 'maybe', kind = 'phone') => ({ kind, value, level })
  it('is the surest phone of theirs, and nothing when there is none', () => {
    expect(numberOf({ identities: [one('+861', 'maybe'), one('+862', 'verified'), one('+863', 'known')] })).toBe('+862')
    expect(numberOf({ identities: [one('a@b.cn', 'verified', 'email'), one('+861', 'maybe')] })).toBe('+861')
    for (const nobody of [null, undefined, { identities: null }, { identities: [one('a@b.cn', 'known', 'email')] }]) expect(numberOf(nobody)).toBe('')
  })
})

describe('the rail of a phone', () => {
  const rail = (...names: string[]) => [...phonePlaces(places.filter((p) => names.includes(p.name)))]
  it('has the four that one may see and needs most; the rest is in its menu', () => {
    expect(rail('desk', 'tickets', 'tasks', 'calls', 'customers')).toEqual(['desk', 'tickets', 'calls', 'tasks'])
    expect(rail(...places.map((p) => p.name))).toEqual(['desk', 'tickets', 'board', 'calls'])
    expect(rail('tickets', 'setup')).toEqual(['tickets', 'setup'])
  })
  it('knows every place', () => {
    for (const p of places) expect(rail(p.name), p.name).toEqual([p.name])
  })
})
