// Keyset-paged lists and polling, the two ways the console gets data that a plain query does not cover.
import { onBeforeUnmount, onMounted, ref, shallowRef, watch, type Ref } from 'vue'
import type { Page } from '@/api/types'
import { online } from '@/api/client'

/** A list that grows by its cursor. Changing the query starts it anew; an answer that comes too late is dropped. */
export function usePages<T>(fetch: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<T>>, key: () => string) {
  const items = shallowRef<T[]>([])
  const next = ref<string | null>(null)
  const error = ref<unknown>(null)
  const loading = ref(true)
  const loadingMore = ref(false)
  let abort = new AbortController()

  async function reload(quiet = false): Promise<void> {
    abort.abort()
    const mine = (abort = new AbortController())
    loadingMore.value = false
    if (!quiet) loading.value = true
    try {
      const page = await fetch(undefined, mine.signal)
      if (mine.signal.aborted) return
      items.value = page.items ?? []
      next.value = page.next
      error.value = null
    } catch (e) {
      if (mine.signal.aborted) return
      if (!quiet || items.value.length === 0) error.value = e
    }
    loading.value = false
  }

  async function more(): Promise<void> {
    if (loading.value || loadingMore.value || !next.value) return
    const mine = abort
    loadingMore.value = true
    try {
      const page = await fetch(next.value, mine.signal)
      if (mine.signal.aborted) return
      items.value = [...items.value, ...(page.items ?? [])]
      next.value = page.next
    } catch (e) {
      if (mine.signal.aborted) return
      error.value = e
    }
    loadingMore.value = false
  }

  watch(key, () => void reload(), { immediate: true })
  onBeforeUnmount(() => abort.abort())
  return { items, next, error, loading, loadingMore, reload, more }
}

/** Runs `tick` every `ms` while the page is seen, and at once when it is seen again or the server is back. */
export function usePolling(tick: () => unknown, ms: number): void {
  let timer: ReturnType<typeof setInterval> | undefined
  const run = (): void => void (document.visibilityState === 'visible' && online.value && tick())
  onMounted(() => {
    timer = setInterval(run, ms)
    document.addEventListener('visibilitychange', run)
  })
  const stop = watch(online, (now) => now && tick())
  onBeforeUnmount(() => {
    clearInterval(timer)
    document.removeEventListener('visibilitychange', run)
    stop()
  })
}

/** One thing, loaded by its id. `reload(true)` keeps what is shown until the new one is there. */
export function useOne<T>(fetch: () => Promise<T>, key: () => unknown) {
  const data = ref<T | null>(null) as Ref<T | null>
  const error = ref<unknown>(null)
  const loading = ref(true)
  let turn = 0
  async function reload(quiet = false): Promise<void> {
    const mine = ++turn
    if (!quiet) {
      loading.value = true
      error.value = null
    }
    try {
      const value = await fetch()
      if (mine !== turn) return
      data.value = value
      error.value = null
    } catch (e) {
      if (mine !== turn) return
      if (!quiet || data.value === null) error.value = e
    }
    if (mine === turn) loading.value = false
  }
  watch(key, () => {
    data.value = null
    void reload()
  }, { immediate: true })
  return { data, error, loading, reload }
}

/** A clock for relative times: one for the whole page. */
export const now = ref(new Date())
if (typeof window !== 'undefined') setInterval(() => (now.value = new Date()), 10_000)
