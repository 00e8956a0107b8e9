// Both languages say everything, the code asks for nothing that is not there, and no text stands in a template.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'vue/compiler-sfc'
import { describe, expect, it } from 'vitest'
import { createI18n } from 'vue-i18n'
import { en } from '../src/locales/en'
import { zhCN } from '../src/locales/zh-CN'

type Tree = { [key: string]: string | Tree }
function flat(tree: Tree, at = ''): Record<string, string> {
  return Object.entries(tree).reduce<Record<string, string>>((all, [key, value]) => {
    const name = at ? `${at}.${key}` : key
    return typeof value === 'string' ? { ...all, [name]: value } : { ...all, ...flat(value, name) }
  }, {})
}
const english = flat(en as Tree)
const chinese = flat(zhCN as Tree)

const root = path.resolve(import.meta.dirname, '../src')
function files(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((f) => {
    const name = path.join(dir, f.name)
    return f.isDirectory() ? files(name) : /\.(vue|ts)$/.test(f.name) ? [name] : []
  })
}
const sources = files(root).filter((f) => !f.includes('/locales/'))

describe('catalogues', () => {
  it('have the same keys', () => {
    expect(Object.keys(english).filter((k) => !(k in chinese))).toEqual([])
    expect(Object.keys(chinese).filter((k) => !(k in english))).toEqual([])
  })
  it('leave nothing empty, and use the same placeholders', () => {
    const holes = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort()
    for (const [key, text] of Object.entries(english)) {
      expect(text.trim(), key).not.toBe('')
      expect(chinese[key]!.trim(), key).not.toBe('')
      expect([...new Set(holes(chinese[key]!))], key).toEqual([...new Set(holes(text))])
    }
  })
  it('can be read by the library: a bare {, @ or | means something to it', () => {
    for (const [locale, messages] of Object.entries({ en, 'zh-CN': zhCN })) {
      const broken: string[] = []
      const { global } = createI18n({ legacy: false, locale, messages: { [locale]: messages as never }, missingWarn: false, fallbackWarn: false })
      for (const key of Object.keys(english)) {
        try {
          ;(global.t as (key: string, n: number) => string)(key, 2)
        } catch (error) {
          broken.push(`${key}: ${String(error)}`)
        }
      }
      expect(broken).toEqual([])
    }
  })
  it('are written in their language', () => {
    const cjk = /[\u4e00-\u9fff]/
    const own = ['login.otherLanguage', 'language.own.zh-CN']
    expect(Object.entries(english).filter(([k, v]) => cjk.test(v) && !own.includes(k))).toEqual([])
    const same = Object.entries(chinese).filter(([k, v]) => !cjk.test(v) && /[a-z]{5}/.test(v.replace(/\{\w+\}/g, '')) && !k.startsWith('trunk.') && !k.startsWith('language.own') && k !== 'login.otherLanguage')
    expect(same).toEqual([])
  })
  it('have every key that the code asks for', () => {
    const missing: string[] = []
    for (const file of sources) {
      const text = readFileSync(file, 'utf8')
      for (const m of text.matchAll(/\bte?\(\s*'([\w.-]+)'/g)) if (!(m[1]! in english)) missing.push(`${path.relative(root, file)}: ${m[1]}`)
      for (const m of text.matchAll(/\bt\([^'"`)]*\? '([\w.-]+)' : '([\w.-]+)'/g)) for (const k of m.slice(1)) if (!(k in english)) missing.push(`${path.relative(root, file)}: ${k}`)
      for (const m of text.matchAll(/\bt\(`([\w.-]+)\.\$\{/g)) if (!Object.keys(english).some((k) => k.startsWith(`${m[1]}.`))) missing.push(`${path.relative(root, file)}: ${m[1]}.*`)
    }
    expect(missing).toEqual([])
  })
  it('have every choice that is named by a value', () => {
    const sets: Record<string, string[]> = {
      state: ['new', 'open', 'pending', 'resolved', 'closed'], priority: ['low', 'normal', 'high', 'urgent'], level: ['verified', 'known', 'maybe'], role: ['agent', 'supervisor', 'engineer', 'admin'],
      'role.hint': ['agent', 'supervisor', 'engineer', 'admin'], result: ['completed', 'answered', 'abandoned', 'voicemail', 'callback', 'transferred', 'rejected', 'failed', 'cut_by_system'],
      phase: ['ringing', 'menu', 'queued', 'talking', 'voicemail', 'transfer'], segment: ['ring', 'menu', 'queue', 'offer', 'talk', 'hold', 'voicemail', 'transfer', 'wrap'],
      reason: ['answered', 'abandoned', 'timeout', 'callback', 'voicemail', 'overflow', 'transfer', 'cut', 'moved'], 'task.reason': ['abandoned', 'asked', 'voicemail', 'cut_by_system', 'failed'],
      'task.kind': ['callback', 'follow_up'], 'timeline.task': ['made', 'kept', 'done', 'cancelled'], 'trunk.status': ['up', 'down', 'unknown', 'disabled'], 'recording.state': ['recording', 'complete', 'partial', 'expired', 'lost'],
      node: ['play', 'menu', 'hours', 'language', 'collect', 'branch', 'count', 'lookup', 'ticket_status', 'queue', 'voicemail', 'transfer', 'hangup'], day: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'],
      'queue.action': ['voicemail', 'callback', 'next', 'hangup'], way: ['next', 'otherwise', 'open', 'closed', 'failed', 'exceeded', 'none', 'timeout'],
    }
    const missing = Object.entries(sets).flatMap(([set, values]) => values.map((v) => `${set}.${v}`)).filter((k) => !(k in english))
    expect(missing).toEqual([])
  })
})

interface Node {
  type: number
  content?: string | { content?: string }
  children?: Node[]
  props?: { type: number; name: string; value?: { content: string } }[]
  tag?: string
  loc: { start: { line: number } }
}
const spoken = ['title', 'placeholder', 'alt', 'aria-label', 'label', 'hint', 'text', 'description']
const units = new Set(['ms', 's', '×', 'UDP', 'TCP', 'TLS', 'v'])

describe('templates', () => {
  it('hold no text of their own', () => {
    const found: string[] = []
    for (const file of sources.filter((f) => f.endsWith('.vue'))) {
      const ast = parse(readFileSync(file, 'utf8')).descriptor.template?.ast as unknown as Node | undefined
      const walk = (node: Node): void => {
        if (node.type === 2 && typeof node.content === 'string') {
          const words = node.content.match(/[A-Za-z\u4e00-\u9fff]+/g) ?? []
          if (words.some((w) => !units.has(w))) found.push(`${path.relative(root, file)}:${node.loc.start.line} ${node.content.trim()}`)
        }
        for (const p of node.props ?? []) {
          if (p.type === 6 && spoken.includes(p.name) && /[A-Za-z\u4e00-\u9fff]{3}/.test(p.value?.content ?? '')) found.push(`${path.relative(root, file)}:${node.loc.start.line} ${p.name}="${p.value?.content}"`)
        }
        node.children?.forEach(walk)
      }
      if (ast) walk(ast)
    }
    expect(found).toEqual([])
  })
  it('no file is longer than 500 lines', () => {
    const long = files(root).filter((f) => readFileSync(f, 'utf8').split('\n').length > 501)
    expect(long).toEqual([])
  })
})
