// Listening into a call of somebody else: which one and how, as the server says it. It lives through navigation, as a call does.
import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import type { BoardCall, SuperviseMode } from '@/api/agent-types'
import { i18n } from '@/i18n'
import { phone as phoneNumber } from '@/lib/text'
import { useSocket } from '@/softphone/socket'
import { useSoftphone } from '@/softphone/store'
import { useToasts } from './toasts'

interface Supervising {
  call_id: string
  mode: SuperviseMode | ''
  why?: string
}

export const useSupervise = defineStore('supervise', () => {
  const socket = useSocket()
  const phone = useSoftphone()
  const toasts = useToasts()
  const current = shallowRef<Supervising | null>(null)
  const names = shallowRef({ agent: '', caller: '' })
  const busy = ref(false)
  const callId = computed(() => current.value?.call_id ?? '')

  function take(now: Supervising | null | undefined): void {
    const before = current.value
    current.value = now?.mode ? now : null
    phone.openMic('supervise', now?.mode === 'whisper' || now?.mode === 'barge')
    if (before && !current.value && !busy.value && now?.why && !['stopped', 'replaced'].includes(now.why)) toasts.show('plain', i18n.global.t('board.over'))
  }
  socket.onOpen((hello) => {
    if (!hello.snapshot) return
    const before = current.value
    take(hello.snapshot.supervise as Supervising | null)
    if (before && !current.value) toasts.show('plain', i18n.global.t('board.cut')) // Hotline was started anew: the call may go on, without us
  })
  socket.on<Supervising>('supervise', take)

  async function start(call: BoardCall, mode: SuperviseMode): Promise<void> {
    if (busy.value) return
    busy.value = true
    try {
      if (callId.value === call.id) {
        await shift(call.id, mode)
      } else {
        await phone.needPhone(mode !== 'listen')
        await socket.send('supervise.start', { call_id: call.id, mode })
        names.value = { agent: call.agent?.name ?? phoneNumber(call.number ?? ''), caller: call.caller.name || phoneNumber(call.caller.number) }
      }
      take({ call_id: call.id, mode })
    } catch (error) {
      toasts.failed(error)
    }
    busy.value = false
  }
  /** Another mode of the same call. Who only heard and wants to speak gets another connection, with the microphone, and sits down anew. */
  async function shift(call_id: string, mode: SuperviseMode): Promise<void> {
    if (mode !== 'listen' && phone.line.deaf) {
      await phone.needPhone(true)
      await socket.send('supervise.start', { call_id, mode })
    } else {
      await socket.send('supervise.mode', { mode })
    }
  }
  async function change(mode: SuperviseMode): Promise<void> {
    const id = callId.value
    if (!id || busy.value) return
    busy.value = true
    try {
      await shift(id, mode)
      take({ call_id: id, mode })
    } catch (error) {
      toasts.failed(error)
    }
    busy.value = false
  }
  /** Ends a call in which none of us is: a caller who was sent to a number outside. */
  async function end(call: BoardCall): Promise<void> {
    try {
      await socket.send('supervise.end', { call_id: call.id })
      toasts.ok(i18n.global.t('board.ended'))
    } catch (error) {
      toasts.failed(error)
    }
  }
  async function stop(): Promise<void> {
    try {
      await socket.send('supervise.stop')
      take(null)
    } catch (error) {
      toasts.failed(error)
    }
  }
  return { current, callId, names, busy, start, change, stop, end }
})
