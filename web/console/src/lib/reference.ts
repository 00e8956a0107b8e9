// Small lists that many pages need: asked for once, kept for a while.
import { useQuery } from '@pinia/colada'
import { computed } from 'vue'
import { api } from '@/api'
import type { Page } from '@/api/types'
import { useSession } from '@/stores/session'
import { useFormat } from './format'

const minutes = 60_000
const nothing = { items: [], next: null }

/** An agent may be refused what only names things: then there is nothing to choose from, and no alarm. */
export async function orNothing<T>(load: Promise<Page<T>>): Promise<Page<T>> {
  try {
    return await load
  } catch (error) {
    const status = (error as { status?: number }).status
    if (status === 403 || status === 404) return nothing as Page<T>
    throw error
  }
}

export function useQueues() {
  const format = useFormat()
  const query = useQuery({ key: ['queues'], query: () => orNothing(api.queues.list()), staleTime: 2 * minutes })
  const queues = computed(() => query.data.value?.items ?? [])
  const name = (queue: string): string => {
    const found = queues.value.find((q) => q.name === queue)
    return found ? format.title(found.title, queue) : queue
  }
  return { queues, name, refetch: query.refetch }
}

/** The people a ticket can belong to, the reader first. */
export function usePeople() {
  const session = useSession()
  const query = useQuery({ key: ['people'], query: () => orNothing(api.owners()), staleTime: 2 * minutes })
  return computed(() => {
    const me = session.account?.id
    return [...(query.data.value?.items ?? [])].sort((a, b) => Number(b.id === me) - Number(a.id === me) || a.name.localeCompare(b.name))
  })
}

export function useFlowNames() {
  const query = useQuery({ key: ['flow-names'], query: () => orNothing(api.flows.list()), staleTime: minutes })
  return { flows: computed(() => query.data.value?.items ?? []), refetch: query.refetch }
}

export function useTrunkNames() {
  const query = useQuery({ key: ['trunk-names'], query: () => orNothing(api.trunks.list()), staleTime: minutes })
  return computed(() => query.data.value?.items ?? [])
}
