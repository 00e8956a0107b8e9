import { createI18n } from 'vue-i18n'
import { en } from './locales/en'
import { zhCN } from './locales/zh-CN'
import type { Locale } from './api/types'

const storageKey = 'hotline.locale'

function initial(): Locale {
  try {
    const stored = localStorage.getItem(storageKey)
    if (stored === 'en' || stored === 'zh-CN') return stored
  } catch {
    /* storage is blocked: ask the browser */
  }
  return typeof navigator !== 'undefined' && navigator.language.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en'
}

export const i18n = createI18n({
  legacy: false,
  locale: initial() as string,
  fallbackLocale: 'en',
  messages: { en, 'zh-CN': zhCN } as Record<string, typeof en>,
  missingWarn: false,
  fallbackWarn: false,
})

export function setLocale(locale: Locale): void {
  i18n.global.locale.value = locale
  try {
    localStorage.setItem(storageKey, locale)
  } catch {
    /* storage is blocked: the choice lasts as long as the page */
  }
  document.documentElement.lang = locale
}

export function currentLocale(): string {
  return i18n.global.locale.value
}
