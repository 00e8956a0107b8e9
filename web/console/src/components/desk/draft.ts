// What is being typed about a call outlives a reload.
import { ref, watch, type Ref } from 'vue'

export function useDraft(key: () => string): Ref<string> {
  const text = ref('')
  const at = (k: string): string => `hotline.draft.${k}`
  watch(key, (k) => (text.value = (k && sessionStorage.getItem(at(k))) || ''), { immediate: true })
  watch(text, (t) => {
    if (!key()) return
    if (t) sessionStorage.setItem(at(key()), t)
    else sessionStorage.removeItem(at(key()))
  })
  return text
}
