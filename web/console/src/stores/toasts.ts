import { defineStore } from 'pinia'
import { ref } from 'vue'
import { describe } from '@/lib/problem'

export interface Toast {
  id: number
  tone: 'ok' | 'alarm' | 'plain'
  text: string
  detail?: string
}

export const useToasts = defineStore('toasts', () => {
  const toasts = ref<Toast[]>([])
  let last = 0

  function show(tone: Toast['tone'], text: string, detail?: string): void {
    const id = ++last
    toasts.value = [...toasts.value.slice(-2), { id, tone, text, detail }]
    setTimeout(() => close(id), tone === 'alarm' ? 9000 : 4000)
  }
  function close(id: number): void {
    toasts.value = toasts.value.filter((t) => t.id !== id)
  }
  const ok = (text: string): void => show('ok', text)
  function failed(error: unknown): void {
    const { text, detail } = describe(error)
    show('alarm', text, detail)
  }
  return { toasts, show, close, ok, failed }
})
