// What is wrong with a trunk, in the reader's language: by its code, else in the words of the server.
import { useI18n } from 'vue-i18n'
import type { TrunkState } from '@/api/types'

export function useTrouble(): (state: TrunkState | null | undefined) => string {
  const { t, te } = useI18n()
  return (state) => {
    if (!state?.last_error) return ''
    const key = `trunk.trouble.${(state.last_error_code ?? '').replace(/^trunk\./, '')}`
    return te(key) ? t(key, { at: state.last_error_detail ?? '' }) : state.last_error
  }
}
