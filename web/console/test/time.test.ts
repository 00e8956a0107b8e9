import { describe, expect, it } from 'vitest'
import { clock, dayKey, duration, exact, millis, offset, relative } from '../src/lib/time'

const en = { locale: 'en', timeZone: 'Asia/Shanghai' }
const zh = { locale: 'zh-CN', timeZone: 'Asia/Shanghai' }
const now = new Date('2026-03-12T10:00:00Z')
const ago = (seconds: number): Date => new Date(now.getTime() - seconds * 1000)

describe('relative times', () => {
  it.each([
    [0, 'now'], [44, 'now'], [50, '1m ago'], [120, '2m ago'], [3599, '60m ago'], [7200, '2h ago'], [86400 * 2, '2d ago'], [-600, 'in 10m'],
  ])('%d seconds ago', (seconds, text) => expect(relative(ago(seconds), now, en)).toBe(text))
  it('speaks Chinese', () => expect(relative(ago(120), now, zh)).toBe('2分钟前'))
  it('becomes a date after a week, with the year when it is another', () => {
    expect(relative(ago(86400 * 10), now, en)).toBe('Mar 2')
    expect(relative(ago(86400 * 100), now, en)).toContain('2025')
  })
})
describe('exact times', () => {
  it('are in the zone of the reader', () => {
    expect(clock('2026-03-12T03:04:05Z', now, en)).toBe('11:04')
    expect(clock('2026-03-11T17:00:00Z', now, en)).toBe('01:00')
    expect(dayKey('2026-03-11T17:00:00Z', 'Asia/Shanghai')).toBe('2026-03-12')
    expect(dayKey('2026-03-11T17:00:00Z', 'UTC')).toBe('2026-03-11')
    expect(exact('2026-03-12T03:04:05Z', en)).toContain('11:04:05')
  })
  it('never say 24:00', () => expect(clock('2026-03-11T16:00:00Z', now, en)).toBe('00:00'))
  it('show milliseconds in ladders', () => expect(millis('2026-03-12T03:04:05.042Z', en)).toBe('11:04:05.042'))
})
describe('durations', () => {
  it.each([[0, '0:00'], [7000, '0:07'], [65_000, '1:05'], [3_723_000, '1:02:03'], [-5, '0:00']])('%d ms', (ms, text) => expect(duration(ms)).toBe(text))
  it('is a dash while unknown', () => expect(duration(null)).toBe('–'))
  it.each([[0, '+0 ms'], [12.4, '+12 ms'], [1204, '+1.204 s'], [61_000, '+1:01']])('offset of %d ms', (ms, text) => expect(offset(ms)).toBe(text))
})
