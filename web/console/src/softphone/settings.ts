// What this browser remembers about sound: devices belong to the machine, not to the account.
import { reactive, watch } from 'vue'

export interface SoundSettings {
  microphone: string // '' is the system's choice
  speaker: string
  ringer: string
  volume: number // of the ringtone, 0 to 1
  clean: boolean // echo cancellation, noise suppression, level: off for head-sets that do it themselves
  openPop: boolean // open the other system's page when a call is answered
}
const key = 'hotline.sound'
const defaults: SoundSettings = { microphone: '', speaker: '', ringer: '', volume: 0.6, clean: true, openPop: true }

export function readSettings(stored: string | null): SoundSettings {
  try {
    const value = JSON.parse(stored ?? '{}') as Partial<SoundSettings>
    const text = (v: unknown): string => (typeof v === 'string' ? v : '')
    return {
      microphone: text(value.microphone),
      speaker: text(value.speaker),
      ringer: text(value.ringer),
      volume: typeof value.volume === 'number' && value.volume >= 0 && value.volume <= 1 ? value.volume : defaults.volume,
      clean: value.clean !== false,
      openPop: value.openPop !== false,
    }
  } catch {
    return { ...defaults }
  }
}

function stored(): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}
export const settings = reactive(readSettings(typeof localStorage === 'undefined' ? null : stored()))
watch(settings, (now) => {
  try {
    localStorage.setItem(key, JSON.stringify(now))
  } catch {
    /* storage is blocked: the choice lasts as long as the page */
  }
})
