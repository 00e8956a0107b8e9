// Skills, teams, reasons, codes and agents as other pages name them: asked for once, kept for a while.
import { useQuery } from '@pinia/colada'
import { computed } from 'vue'
import { agentsApi, type NamedApi } from '@/api/agents'
import type { Named } from '@/api/agent-types'
import { useFormat } from './format'
import { orNothing } from './reference'

const minute = 60_000

function useNamed<Item extends Named>(key: string, api: NamedApi<Item>) {
  const format = useFormat()
  const query = useQuery({ key: [key], query: () => orNothing(api.list()), staleTime: minute })
  const items = computed<Item[]>(() => query.data.value?.items ?? [])
  const name = (of: string): string => {
    const found = items.value.find((i) => i.name === of)
    return found ? format.title(found.title, of) : of
  }
  return { items, name, refetch: query.refetch }
}
export const useSkills = () => useNamed('skills', agentsApi.skills)
export const useTeams = () => useNamed('teams', agentsApi.teams)
export const useReasons = () => useNamed('pause-reasons', agentsApi.reasons)
export const useCodes = () => useNamed('wrap-codes', agentsApi.codes)

/** Everybody who is active here, with the state of those who take calls: to be named in a note. */
export function useColleagues() {
  const query = useQuery({ key: ['colleagues'], query: () => orNothing(agentsApi.colleagues()), staleTime: minute })
  return computed(() => query.data.value?.items ?? [])
}
