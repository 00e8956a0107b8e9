// The calls of the API about agents, teams, what they choose from, and the live board.
import { http, type Query } from './client'
import type { Page, Person } from './types'
import type * as T from './agent-types'

const id = encodeURIComponent

/** A list of named things: all of it, one put by its name, one deleted. */
export interface NamedApi<V extends T.Named> {
  list: () => Promise<Page<V>>
  put: (name: string, value: object) => Promise<V>
  remove: (name: string, version: number) => Promise<void>
}
const named = <V extends T.Named>(path: string): NamedApi<V> => ({
  list: () => http.get<Page<V>>(path),
  put: (name, value) => http.put<V>(`${path}/${id(name)}`, value),
  remove: (name, version) => http.delete<void>(`${path}/${id(name)}`, { version }),
})

export const agentsApi = {
  agents: {
    list: (query: Query = {}) => http.get<Page<T.Agent>>('/agents', query),
    get: (agent: string) => http.get<T.Agent>(`/agents/${id(agent)}`),
    put: (agent: string, value: object) => http.put<T.Agent>(`/agents/${id(agent)}`, value),
    remove: (agent: string, version: number) => http.delete<void>(`/agents/${id(agent)}`, { version }),
  },
  teams: named<T.Team>('/teams'),
  skills: named<T.Skill>('/skills'),
  reasons: named<T.PauseReason>('/pause-reasons'),
  codes: named<T.WrapCode>('/wrap-codes'),
  routes: {
    list: () => http.get<Page<T.OutboundRoute>>('/outbound-routes'),
    get: (route: string) => http.get<T.OutboundRoute>(`/outbound-routes/${id(route)}`),
    create: (value: object) => http.post<T.OutboundRoute>('/outbound-routes', value),
    update: (route: string, value: object) => http.put<T.OutboundRoute>(`/outbound-routes/${id(route)}`, value),
    remove: (route: string, version: number) => http.delete<void>(`/outbound-routes/${id(route)}`, { version }),
  },
  limits: {
    get: () => http.get<T.OutboundLimits>('/outbound-limits'),
    put: (value: object) => http.put<T.OutboundLimits>('/outbound-limits', value),
    usage: () => http.get<T.OutboundUsage>('/outbound-usage'),
  },
  members: {
    get: (queue: string) => http.get<T.Members>(`/queues/${id(queue)}/members`),
    put: (queue: string, value: { members: string[] }) => http.put<T.Members>(`/queues/${id(queue)}/members`, value),
  },
  colleagues: () => http.get<Page<Person & { state: T.AgentState | '' }>>('/colleagues'),
  board: () => http.get<T.Board>('/board'),
  mentions: {
    list: (query: Query = {}, signal?: AbortSignal) => http.get<Page<T.Mention>>('/mentions', query, signal),
    read: (mention: string) => http.post<T.Mention>(`/mentions/${id(mention)}/read`),
    readAll: () => http.post<void>('/mentions/read'),
  },
}
