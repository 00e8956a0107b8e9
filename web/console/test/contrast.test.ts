// WCAG 2.2 AA from the tokens themselves: 4.5:1 for text, 3:1 for the edges of controls, in both themes.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

const css = readFileSync(path.resolve(import.meta.dirname, '../src/main.css'), 'utf8')
function tokens(selector: string): Record<string, string> {
  const block = css.slice(css.indexOf(`${selector} {`)).split('}')[0]!
  return Object.fromEntries([...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map((m) => [m[1]!, m[2]!]))
}
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((i) => {
    const c = parseInt(hex.slice(i, i + 2), 16) / 255
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
function contrast(a: string, b: string): number {
  const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p) as [number, number]
  return (x + 0.05) / (y + 0.05)
}
const paper = ['bg', 'surface', 'raised', 'hover', 'selected']
const states = ['ok', 'talk', 'warn', 'alarm', 'idle']
const themes = { light: tokens(':root'), dark: tokens("[data-theme='dark']") }

describe.each(Object.entries(themes))('%s', (_, t) => {
  it.each(['ink', 'ink-2', 'ink-3', 'link', 'ok', 'talk', 'warn', 'alarm'].flatMap((ink) => paper.map((on) => [ink, on])))('%s on %s', (ink, on) => {
    expect(contrast(t[ink!]!, t[on!]!)).toBeGreaterThanOrEqual(4.5)
  })
  it.each(states)('%s on its own ground', (s) => expect(contrast(t[s]!, t[`${s}-bg`]!)).toBeGreaterThanOrEqual(4.5))
  it.each(['accent', 'accent-hover'])('ink on %s', (a) => expect(contrast(t['accent-ink']!, t[a]!)).toBeGreaterThanOrEqual(4.5))
  it('edges of controls', () => expect(contrast(t['line-strong']!, t.surface!)).toBeGreaterThanOrEqual(3))
})
