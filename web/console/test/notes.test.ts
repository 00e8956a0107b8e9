// Mentions and files in notes; what the timeline makes of them.
import { describe, expect, it } from 'vitest'
import type { TimelineEvent } from '../src/api/types'
import { matches, mentioned, parts, typing } from '../src/lib/mention'
import { fileOf, group, mentionsOf } from '../src/lib/timeline'
import { nameOf } from '../src/lib/uploads'

const people = [
  { id: '1', name: 'Li' }, { id: '2', name: 'Li Na' }, { id: '3', name: '王芳' }, { id: '4', name: 'Anna Li' }, { id: '5', name: 'Zed' }, { id: '6', name: 'Zed' },
]

describe('mentions', () => {
  it.each([
    ['@', { from: 0, query: '' }], ['ask @li', { from: 4, query: 'li' }], ['请@王', { from: 1, query: '王' }], ['ask @Li N', { from: 4, query: 'Li N' }],
  ])('are being typed in %s', (text, at) => expect(typing(text, text.length)).toEqual(at))
  it.each(['mail a@b', '@Li Na said so', '@ nobody', 'nothing', '@two\nlines'])('are not in %s', (text) => expect(typing(text, text.length)).toBeNull())
  it('offer names that begin so first, then names with such a part', () => {
    expect(matches(people, 'li').map((p) => p.id)).toEqual(['1', '2', '4'])
    expect(matches(people, '王').map((p) => p.id)).toEqual(['3'])
    expect(matches(people, '').length).toBe(6)
    expect(matches(people, 'xyz')).toEqual([])
  })
  it('are the longest names that stand there', () => {
    expect(parts('@Li Na and @Li, @Lisa; 请@王芳看', people).filter((p) => p.person).map((p) => p.person!.id)).toEqual(['2', '1', '3'])
    expect(parts('plain', people)).toEqual([{ text: 'plain' }])
    expect(parts('@Li Na', people).map((p) => p.text).join('')).toBe('@Li Na')
  })
  it('name each person once; of namesakes those who were picked', () => {
    expect(mentioned('@Li @Li @王芳', people, new Set())).toEqual(['1', '3'])
    expect(mentioned('@Zed', people, new Set(['6']))).toEqual(['6'])
    expect(mentioned('@Zed', people, new Set())).toEqual(['5', '6'])
    expect(mentioned('Zed', people, new Set(['6']))).toEqual([])
  })
})

describe('files', () => {
  const at = new Date('2026-03-01T08:09:10Z')
  it('keep their names; pictures from the clipboard get one', () => {
    expect(nameOf(new File(['x'], 'bill.pdf'), 'picture', at)).toBe('bill.pdf')
    expect(nameOf(new File(['x'], 'image.png', { type: 'image/png' }), 'picture', at)).toBe('picture-2026-03-01-08-09-10.png')
    expect(nameOf(new File(['x'], '', { type: 'image/jpeg' }), 'picture', at)).toBe('picture-2026-03-01-08-09-10.jpg')
  })
})

describe('timeline', () => {
  const event = (seq: number, kind: string, data: Record<string, unknown>): TimelineEvent => ({ seq, kind, actor: { id: 'a', name: 'A' }, at: '2026-03-01T08:00:00Z', data, interaction: null, call: null })
  const events = [
    event(1, 'attachment', { id: 'f', name: 'bill.pdf', bytes: 10 }), event(2, 'wrap', { code: 'solved' }), event(3, 'callback', { result: 'busy' }),
    event(4, 'note', { body: 'x', mentions: [{ id: '1', name: 'Li' }, {}] }), event(5, 'attachment_removed', { id: 'f', name: 'bill.pdf' }),
  ]
  it('gives wrap-ups, call-backs and files entries of their own', () => expect(group(events).map((e) => e.kind)).toEqual(['file', 'wrap', 'callback', 'note', 'other']))
  it('knows that a file is gone', () => {
    expect(fileOf(events[0]!, events)).toEqual({ id: 'f', name: 'bill.pdf', bytes: 10, gone: true })
    expect(fileOf(events[0]!, events.slice(0, 4)).gone).toBe(false)
  })
  it('knows who is named in a note', () => expect(mentionsOf(events[3]!)).toEqual([{ id: '1', name: 'Li' }]))
})
