import type { Locale, Prompt } from '@/api/types'

export interface PromptPair {
  name: string
  builtIn: boolean
  'zh-CN'?: Prompt
  en?: Prompt
}
export const languages: Locale[] = ['zh-CN', 'en']

/** The two languages of a prompt side by side, one's own before Hotline's phrases. */
export function pairs(prompts: Prompt[]): PromptPair[] {
  const byName = new Map<string, PromptPair>()
  for (const p of prompts) {
    const pair = byName.get(p.name) ?? { name: p.name, builtIn: true }
    pair[p.language] = p
    if (!p.built_in) pair.builtIn = false
    byName.set(p.name, pair)
  }
  return [...byName.values()].sort((a, b) => Number(a.builtIn) - Number(b.builtIn) || a.name.localeCompare(b.name))
}

/** What a browser can tell of a file before it is sent: a RIFF/WAVE header and a bearable size. */
export async function looksLikeWav(file: Blob): Promise<boolean> {
  const head = new Uint8Array(await file.slice(0, 12).arrayBuffer())
  const text = String.fromCharCode(...head)
  return text.startsWith('RIFF') && text.slice(8, 12) === 'WAVE'
}
export const maxWav = 20 * 1000 * 1000
