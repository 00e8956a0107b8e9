import { http, url, type Query } from './client'
import type * as T from './types'

const id = encodeURIComponent

/** Every call the console makes, by what it is about. */
export const api = {
  session: {
    get: () => http.getQuiet<T.Session>('/session'),
    login: (login: string, password: string) => http.post<T.Session>('/session', { login, password }, { quiet401: true }),
    logout: () => http.delete<void>('/session'),
    update: (change: Record<string, unknown>) => http.patch<T.Session | T.Account>('/session/account', change),
  },
  tickets: {
    list: (query: Query, signal?: AbortSignal) => http.get<T.Page<T.Ticket>>('/tickets', query, signal),
    get: (number: number) => http.get<T.TicketDetail>(`/tickets/${number}`),
    timeline: (number: number, after = 0) => http.get<T.Page<T.TimelineEvent>>(`/tickets/${number}/timeline`, { after, limit: 200 }),
    create: (ticket: Record<string, unknown>) => http.post<T.Ticket>('/tickets', ticket),
    update: (number: number, change: Record<string, unknown>) => http.patch<T.TicketDetail>(`/tickets/${number}`, change),
    setState: (number: number, change: { state: T.TicketState; version?: number; comment?: string }) =>
      http.post<T.TicketDetail>(`/tickets/${number}/state`, change),
    note: (number: number, body: string, mentions: string[] = []) => http.post<T.TimelineEvent>(`/tickets/${number}/notes`, { body, mentions: mentions.length ? mentions : undefined }),
    attachmentUrl: (number: number, attachment: string) => url(`/tickets/${number}/attachments/${id(attachment)}`),
    detach: (number: number, attachment: string) => http.delete<void>(`/tickets/${number}/attachments/${id(attachment)}`),
  },
  tasks: {
    list: (query: Query, signal?: AbortSignal) => http.get<T.Page<T.Task>>('/tasks', query, signal),
    done: (task: string) => http.post<T.Task>(`/tasks/${id(task)}/done`),
  },
  parties: {
    list: (query: Query, signal?: AbortSignal) => http.get<T.Page<T.Party>>('/parties', query, signal),
    get: (party: string) => http.get<T.Party>(`/parties/${id(party)}`),
    update: (party: string, change: Record<string, unknown>) => http.patch<T.Party>(`/parties/${id(party)}`, change),
    link: (party: string, phone: string, level: T.Level) => http.post<T.Party>(`/parties/${id(party)}/identities`, { phone, level }),
    unlink: (party: string, identity: string) => http.delete<T.Party>(`/parties/${id(party)}/identities/${id(identity)}`),
  },
  search: (q: string, signal?: AbortSignal) => http.get<T.Page<T.SearchHit>>('/search', { q }, signal),
  calls: {
    list: (query: Query, signal?: AbortSignal) => http.get<T.Page<T.Call>>('/calls', query, signal),
    get: (call: string) => http.get<T.CallDetail>(`/calls/${id(call)}`),
    trace: (call: string) => http.get<T.Page<T.SipMessage>>(`/calls/${id(call)}/trace`),
  },
  recordings: {
    get: (recording: string) => http.get<T.Recording>(`/recordings/${id(recording)}`),
    audioUrl: (recording: string) => url(`/recordings/${id(recording)}/audio`),
    downloadUrl: (recording: string) => url(`/recordings/${id(recording)}/audio`, { download: 1 }),
  },
  trunks: {
    list: () => http.get<T.Page<T.Trunk>>('/trunks'),
    get: (trunk: string) => http.get<T.Trunk>(`/trunks/${id(trunk)}`),
    create: (trunk: object) => http.post<T.Trunk>('/trunks', trunk),
    update: (trunk: string, value: object) => http.put<T.Trunk>(`/trunks/${id(trunk)}`, value),
    remove: (trunk: string, version: number) => http.delete<void>(`/trunks/${id(trunk)}`, { version }),
  },
  asterisks: {
    list: () => http.get<T.Page<T.AsteriskNode>>('/asterisks'),
    drain: (node: string, draining: boolean) => http.put<T.AsteriskNode>(`/asterisks/${id(node)}/drain`, { draining }),
  },
  numbers: {
    list: () => http.get<T.Page<T.PhoneNumber>>('/numbers'),
    put: (number: string, value: object) => http.put<T.PhoneNumber>(`/numbers/${id(number)}`, value),
    remove: (number: string, version: number) => http.delete<void>(`/numbers/${id(number)}`, { version }),
  },
  queues: {
    list: () => http.get<T.Page<T.Queue>>('/queues'),
    get: (name: string) => http.get<T.Queue>(`/queues/${id(name)}`),
    put: (name: string, value: object) => http.put<T.Queue>(`/queues/${id(name)}`, value),
    remove: (name: string, version: number) => http.delete<void>(`/queues/${id(name)}`, { version }),
  },
  flows: {
    list: () => http.get<T.Page<T.FlowSummary>>('/flows'),
    get: (name: string) => http.get<T.Flow>(`/flows/${id(name)}`),
    saveDraft: (name: string, source: string, base?: number | null) => http.put<T.Flow>(`/flows/${id(name)}/draft`, { source, base: base ?? undefined }),
    dropDraft: (name: string) => http.delete<void>(`/flows/${id(name)}/draft`),
    validate: (source: string) => http.post<{ problems: T.FlowProblem[] | null; outline: T.OutlineNode[] | null }>('/flows/validate', { source }),
    publish: (name: string, comment: string) => http.post<T.FlowVersion>(`/flows/${id(name)}/publish`, { comment }),
    rollback: (name: string, version: number, comment: string) => http.post<T.FlowVersion>(`/flows/${id(name)}/rollback`, { version, comment }),
    version: (name: string, version: number) => http.get<{ source: string }>(`/flows/${id(name)}/versions/${version}`),
  },
  prompts: {
    list: () => http.get<T.Page<T.Prompt>>('/prompts'),
    put: (name: string, language: string, value: object) => http.put<T.Prompt>(`/prompts/${id(name)}/${language}`, value),
    upload: (name: string, language: string, wav: Blob, query: Query) => http.upload<T.Prompt>(`/prompts/${id(name)}/${language}/audio`, wav, query),
    remove: (name: string, language: string, version?: number) => http.delete<void>(`/prompts/${id(name)}/${language}`, { version }),
    audioUrl: (name: string, language: string) => url(`/prompts/${id(name)}/${language}/audio`),
    speak: (text: string, language: string) => http.audio('/prompts/speak', { text, language }),
  },
  hours: {
    list: () => http.get<T.Page<T.Hours>>('/hours'),
    get: (name: string) => http.get<T.Hours>(`/hours/${id(name)}`),
    put: (name: string, value: object) => http.put<T.Hours>(`/hours/${id(name)}`, value),
    remove: (name: string, version: number) => http.delete<void>(`/hours/${id(name)}`, { version }),
  },
  system: () => http.get<T.SystemStatus>('/system'),
  audit: (query: Query, signal?: AbortSignal) => http.get<T.Page<T.AuditEntry>>('/audit', query, signal),
  accounts: {
    list: () => http.get<T.Page<T.Account>>('/accounts'),
    create: (account: object) => http.post<T.Account>('/accounts', account),
    update: (account: string, change: object) => http.patch<T.Account>(`/accounts/${id(account)}`, change),
    newPassword: (account: string) => http.post<T.Account & { password: string }>(`/accounts/${id(account)}/password`),
  },
  owners: () => http.get<T.Page<T.Person>>('/owners'),
  tokens: {
    list: () => http.get<T.Page<T.Token>>('/tokens'),
    create: (token: object) => http.post<T.Token>('/tokens', token),
    remove: (token: string) => http.delete<void>(`/tokens/${id(token)}`),
  },
}
