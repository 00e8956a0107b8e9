import { createApp } from 'vue'
import { createPinia } from 'pinia'
import { PiniaColada } from '@pinia/colada'
import App from './App.vue'
import { router } from './router'
import { currentLocale, i18n, setLocale } from './i18n'
import type { Locale } from './api/types'
import './main.css'

setLocale(currentLocale() as Locale)
createApp(App).use(createPinia()).use(PiniaColada, {}).use(i18n).use(router).mount('#app')
