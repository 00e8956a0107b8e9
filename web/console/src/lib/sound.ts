import { ref } from 'vue'

/** One sound at a time for the little play buttons of lists and editors. */
const audio = typeof Audio === 'undefined' ? null : new Audio()
let objectUrl = ''
export const sounding = ref('')
export const soundFailed = ref('')

if (audio) {
  audio.onended = () => (sounding.value = '')
  audio.onerror = () => {
    if (!sounding.value) return
    soundFailed.value = sounding.value
    sounding.value = ''
  }
}

/** Plays a source under a key; playing the same key again stops it. */
export async function sound(key: string, source: string | Blob): Promise<void> {
  if (!audio) return
  const same = sounding.value === key
  hush()
  if (same) return
  soundFailed.value = ''
  if (source instanceof Blob) source = objectUrl = URL.createObjectURL(source)
  audio.src = source
  sounding.value = key
  try {
    await audio.play()
  } catch (error) {
    if ((error as Error).name !== 'AbortError' && sounding.value === key) {
      soundFailed.value = key
      sounding.value = ''
    }
  }
}
export function hush(): void {
  audio?.pause()
  sounding.value = ''
  if (objectUrl) URL.revokeObjectURL(objectUrl)
  objectUrl = ''
}
export const heard = (): number => audio?.currentTime ?? 0
