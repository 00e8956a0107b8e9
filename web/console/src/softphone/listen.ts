// The element that plays what comes from the server. One for the page: it never goes away with a component.
import { ref } from 'vue'
import { settings } from './settings'

/** True while the browser will not play until somebody clicks. */
export const playBlocked = ref(false)
type Sinkable = HTMLAudioElement & { setSinkId?: (id: string) => Promise<void> }
let element: Sinkable | null = null

export async function listen(stream: MediaStream): Promise<void> {
  if (!element) {
    element = new Audio() as Sinkable
    element.autoplay = true
    element.dataset.softphoneAudio = ''
    element.hidden = true
    document.body.append(element)
  }
  element.srcObject = stream
  await useSpeaker()
  await play()
}
export async function play(): Promise<void> {
  if (!element?.srcObject) return
  try {
    await element.play()
    playBlocked.value = false
  } catch (error) {
    if ((error as Error).name === 'NotAllowedError') playBlocked.value = true
  }
}
export async function useSpeaker(): Promise<void> {
  try {
    await element?.setSinkId?.(settings.speaker)
  } catch {
    await element?.setSinkId?.('').catch(() => {}) // the chosen one is unplugged
  }
}
export function hushCall(): void {
  if (element) element.srcObject = null
  playBlocked.value = false
}
/** Whether this browser lets a page choose where sound comes out. */
export const canChooseSpeaker = typeof HTMLMediaElement !== 'undefined' && 'setSinkId' in HTMLMediaElement.prototype
