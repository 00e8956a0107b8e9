// The one place that talks HTTP. Everything above it sees typed results or an ApiError.
import { ref } from 'vue'

export interface FieldError {
  path: string
  message: string
  code?: string
  line?: number
}

/** A failed request: a problem document (RFC 9457), or `network.offline` when the server was not reached. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly fields: FieldError[]
  constructor(status: number, code: string, detail: string, fields: FieldError[] = []) {
    super(detail || code)
    this.status = status
    this.code = code
    this.detail = detail
    this.fields = fields
  }
  get conflict(): boolean {
    return this.status === 409 || this.status === 412
  }
  get missing(): boolean {
    return this.status === 404
  }
}

/** False while the server cannot be reached. */
export const online = ref(true)

let csrf = ''
let onExpired: () => void = () => {}

export function setCsrf(token: string): void {
  csrf = token
}
/** Called when a request is refused because the session has ended. */
export function whenExpired(run: () => void): void {
  onExpired = run
}

export type Query = Record<string, string | number | boolean | null | undefined>

export function url(path: string, query: Query = {}): string {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') params.set(key, String(value))
  }
  const text = params.toString()
  return `/api/v1${path}${text ? `?${text}` : ''}`
}

interface Options {
  query?: Query
  body?: unknown
  blob?: Blob
  signal?: AbortSignal
  quiet401?: boolean
}

async function send(method: string, path: string, options: Options): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json' }
  if (method !== 'GET' && csrf) headers['X-CSRF-Token'] = csrf
  let body: BodyInit | undefined
  if (options.blob) {
    headers['Content-Type'] = options.blob.type || 'audio/wav'
    body = options.blob
  } else if (options.body !== undefined) {
    headers['Content-Type'] = 'application/json'
    body = JSON.stringify(options.body)
  }
  let response: Response
  try {
    response = await fetch(url(path, options.query), { method, headers, body, signal: options.signal, credentials: 'same-origin' })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    online.value = false
    throw new ApiError(0, 'network.offline', 'The server cannot be reached.')
  }
  online.value = true
  if (response.ok) return response
  const failure = await problem(response)
  if (response.status === 401 && !options.quiet401) onExpired()
  throw failure
}

async function problem(response: Response): Promise<ApiError> {
  return problemOf(response.status, await response.text(), response.statusText)
}
function problemOf(status: number, text: string, otherwise: string): ApiError {
  const fallback = `http.${status}`
  try {
    const data = JSON.parse(text) as { code?: string; title?: string; detail?: string; errors?: FieldError[] }
    return new ApiError(status, data.code || fallback, data.detail || data.title || '', data.errors ?? [])
  } catch {
    return new ApiError(status, fallback, otherwise)
  }
}

/** Sends a file and tells how much of it is there: fetch cannot say that. Stopped, it fails with an AbortError. */
export function uploadFile<T>(at: string, file: Blob, sent: (bytes: number) => void): { answer: Promise<T>; stop: () => void } {
  const request = new XMLHttpRequest()
  const answer = new Promise<T>((resolve, reject) => {
    request.open('POST', at)
    request.setRequestHeader('Accept', 'application/json')
    request.setRequestHeader('Content-Type', 'application/octet-stream')
    if (csrf) request.setRequestHeader('X-CSRF-Token', csrf)
    request.upload.onprogress = (event) => sent(event.loaded)
    request.onerror = () => reject(new ApiError(0, 'network.offline', 'The server cannot be reached.'))
    request.onabort = () => reject(new DOMException('stopped', 'AbortError'))
    request.onload = () => {
      if (request.status < 300) return resolve(JSON.parse(request.responseText) as T)
      if (request.status === 401) onExpired()
      reject(problemOf(request.status, request.responseText, request.statusText))
    }
    request.send(file)
  })
  return { answer, stop: () => request.abort() }
}

async function json<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const response = await send(method, path, options)
  if (response.status === 204) return undefined as T
  const text = await response.text()
  return (text ? JSON.parse(text) : undefined) as T
}

export const http = {
  get: <T>(path: string, query?: Query, signal?: AbortSignal) => json<T>('GET', path, { query, signal }),
  getQuiet: <T>(path: string) => json<T>('GET', path, { quiet401: true }),
  post: <T>(path: string, body?: unknown, options: Options = {}) => json<T>('POST', path, { ...options, body: body ?? {} }),
  put: <T>(path: string, body?: unknown) => json<T>('PUT', path, { body: body ?? {} }),
  patch: <T>(path: string, body?: unknown) => json<T>('PATCH', path, { body: body ?? {} }),
  delete: <T>(path: string, query?: Query) => json<T>('DELETE', path, { query }),
  upload: <T>(path: string, blob: Blob, query?: Query) => json<T>('PUT', path, { blob, query }),
  audio: async (path: string, body: unknown): Promise<Blob> => (await send('POST', path, { body })).blob(),
}
