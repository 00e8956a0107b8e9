// Notes in which the reader is named: how many are unread, and news of them by the socket.
import { defineStore } from 'pinia'
import { ref, watch } from 'vue'
import { agentsApi } from '@/api/agents'
import type { Mention } from '@/api/agent-types'
import type { Person } from '@/api/types'
import { i18n } from '@/i18n'
import { useSocket } from '@/softphone/socket'
import { useSession } from './session'
import { useToasts } from './toasts'

export const useMentions = defineStore('mentions', () => {
  const session = useSession()
  const socket = useSocket()
  const toasts = useToasts()
  const unread = ref(0)
  const news = ref(0) // grows with each that comes: lists load again

  watch(() => session.rights.unread_mentions, (n) => (unread.value = n ?? 0), { immediate: true })
  socket.on<{ ticket: number; by: Person; excerpt: string }>('mention', (m) => {
    unread.value++
    news.value++
    toasts.show('plain', i18n.global.t('mention.inTicket', { name: m.by.name, number: m.ticket }), m.excerpt)
  })
  async function read(mention: Pick<Mention, 'id' | 'read_at'>): Promise<void> {
    if (mention.read_at) return
    unread.value = Math.max(0, unread.value - 1)
    try {
      await agentsApi.mentions.read(mention.id)
    } catch (error) {
      unread.value++
      toasts.failed(error)
    }
  }
  async function readAll(): Promise<void> {
    await agentsApi.mentions.readAll()
    unread.value = 0
    news.value++
  }
  /** Who opens a ticket has seen what was said to them in it. */
  async function sawTicket(number: number): Promise<void> {
    if (unread.value === 0) return
    try {
      const page = await agentsApi.mentions.list({ unread: true, limit: 100 })
      for (const m of (page.items ?? []).filter((one) => one.ticket === number)) await read(m)
    } catch {
      /* they stay unread, and are asked for again with the next ticket */
    }
  }
  return { unread, news, read, readAll, sawTicket }
})
