import { ref, shallowRef } from 'vue'
import { ApiError } from '@/api/client'
import { byField, type Described } from './problem'

/** The errors of a form: each at its field by path, what belongs to none above. A path given as "a.b*" takes a.b, a.b[0], a.b.c. */
export function useProblems(paths: string[]) {
  const fields = ref<Record<string, string>>({})
  const rest = shallowRef<Described[]>([])
  const conflict = ref(false)
  const exact = new Set(paths.filter((p) => !p.endsWith('*')))
  const prefixes = paths.filter((p) => p.endsWith('*')).map((p) => p.slice(0, -1))
  const known = (path: string): boolean => exact.has(path) || prefixes.some((p) => path === p || path.startsWith(`${p}[`) || path.startsWith(`${p}.`))

  function take(error: unknown): void {
    const placed = byField(error, known)
    fields.value = placed.fields
    rest.value = placed.rest
    conflict.value = error instanceof ApiError && error.conflict
  }
  function clear(): void {
    fields.value = {}
    rest.value = []
    conflict.value = false
  }
  /** What is wrong at a field, or anywhere below it. */
  function at(path: string): string | undefined {
    const own = fields.value[path]
    if (own) return own
    const below = Object.entries(fields.value).filter(([p]) => p.startsWith(`${path}[`) || p.startsWith(`${path}.`))
    return below.length ? below.map(([p, text]) => `${p.slice(path.length).replace(/^\./, '').replace(/^\[(\d+)\]/, (_, n) => `#${Number(n) + 1}`)}: ${text}`).join(' ') : undefined
  }
  return { fields, rest, conflict, take, clear, at }
}
