// Files on their way to a ticket. They go on while the reader looks at something else.
import { computed, reactive, type ComputedRef } from 'vue'
import { uploadFile, url } from '@/api/client'
import type { Attachment } from '@/api/agent-types'

export const mostBytes = 20 * 1024 * 1024

export interface Upload {
  id: number
  ticket: number
  name: string
  bytes: number
  sent: number
  state: 'sending' | 'failed'
  error: unknown
  file: Blob
  stop: () => void
}
const uploads = reactive<Upload[]>([])
let last = 0

/** A name for what has none, such as a picture from the clipboard. */
export function nameOf(file: File, fallback: string, now = new Date()): string {
  const generic = !file.name || /^image\.\w+$/.test(file.name)
  if (!generic) return file.name
  const ending = /^image\/(png|jpeg|gif|webp)$/.exec(file.type)?.[1]?.replace('jpeg', 'jpg') ?? 'bin'
  return `${fallback}-${now.toISOString().slice(0, 19).replace(/[:T]/g, '-')}.${ending}`
}

export function useUploads(ticket: () => number, done: () => void): {
  list: ComputedRef<Upload[]>
  add: (file: Blob, name: string) => void
  again: (u: Upload) => void
  drop: (u: Upload) => void
} {
  async function send(u: Upload): Promise<void> {
    u.state = 'sending'
    u.error = null
    u.sent = 0
    // One key for all tries of a file: a second try of what arrived after all makes no second file.
    const { answer, stop } = uploadFile<Attachment>(url(`/tickets/${u.ticket}/attachments`, { name: u.name, key: `${session}-${u.id}` }), u.file, (sent) => (u.sent = sent))
    u.stop = stop
    try {
      await answer
      remove(u)
      if (u.ticket === ticket()) done()
    } catch (error) {
      if ((error as Error).name === 'AbortError') return remove(u)
      u.state = 'failed'
      u.error = error
    }
  }
  function add(file: Blob, name: string): void {
    uploads.push({ id: ++last, ticket: ticket(), name, bytes: file.size, sent: 0, state: 'sending', error: null, file, stop: () => {} })
    void send(uploads[uploads.length - 1]!)
  }
  function drop(u: Upload): void {
    if (u.state === 'sending') u.stop()
    else remove(u)
  }
  return { list: computed(() => uploads.filter((u) => u.ticket === ticket())), add, again: (u) => void send(u), drop }
}
const session = Math.random().toString(36).slice(2, 10)
function remove(u: Upload): void {
  const at = uploads.findIndex((one) => one.id === u.id)
  if (at >= 0) uploads.splice(at, 1)
}
