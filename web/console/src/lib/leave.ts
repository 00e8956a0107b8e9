import { onBeforeUnmount, onMounted, type Ref } from 'vue'
import { onBeforeRouteLeave } from 'vue-router'
import { useI18n } from 'vue-i18n'

/** Asks before unsaved work is left behind. */
export function useLeaveGuard(dirty: Ref<boolean>): void {
  const { t } = useI18n()
  const unload = (event: BeforeUnloadEvent): void => {
    if (dirty.value) event.preventDefault()
  }
  onMounted(() => window.addEventListener('beforeunload', unload))
  onBeforeUnmount(() => window.removeEventListener('beforeunload', unload))
  onBeforeRouteLeave(() => !dirty.value || window.confirm(t('common.leave')))
}
