import { defineStore } from 'pinia'
import { ref } from 'vue'

export type Theme = 'system' | 'light' | 'dark'
const storageKey = 'hotline.theme'

function stored(): Theme {
  try {
    const value = localStorage.getItem(storageKey)
    return value === 'light' || value === 'dark' ? value : 'system'
  } catch {
    return 'system'
  }
}

export const useTheme = defineStore('theme', () => {
  const theme = ref<Theme>(stored())
  const system = matchMedia('(prefers-color-scheme: dark)')

  function apply(): void {
    const dark = theme.value === 'dark' || (theme.value === 'system' && system.matches)
    document.documentElement.dataset.theme = dark ? 'dark' : 'light'
  }
  function set(next: Theme): void {
    theme.value = next
    try {
      if (next === 'system') localStorage.removeItem(storageKey)
      else localStorage.setItem(storageKey, next)
    } catch {
      /* storage is blocked: the choice lasts as long as the page */
    }
    apply()
  }
  function toggle(): void {
    set(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark')
  }
  system.addEventListener('change', apply)
  apply()
  return { theme, set, toggle }
})
