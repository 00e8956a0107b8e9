// Calls for somebody who looks elsewhere: the title flashes and the system shows a notification while the tab is hidden.

let timer: ReturnType<typeof setInterval> | undefined
let base = ''
let ours = ''

/** Flashes the title. Pages change their own title meanwhile: that one comes back at the end. */
export function flashTitle(text: string): void {
  calm()
  base = document.title
  ours = text
  document.title = text
  timer = setInterval(() => {
    if (document.title !== ours && document.title !== base) base = document.title
    document.title = document.title === ours ? base : ours
  }, 1000)
}
function calm(): void {
  if (timer === undefined) return
  clearInterval(timer)
  timer = undefined
  if (document.title === ours) document.title = base
}

let shown: Notification | null = null

function notify(title: string, body: string, tag: string, chosen: () => void): void {
  if (typeof Notification === 'undefined' || Notification.permission !== 'granted') return
  try {
    shown = new Notification(title, { body, tag, requireInteraction: true, silent: true }) // the ringtone is ours
    shown.onclick = () => {
      window.focus()
      chosen()
      shown?.close()
    }
  } catch {
    shown = null // phones allow it to service workers only
  }
}

export interface Summons {
  title: string
  body: string
  tag: string
  chosen: () => void
}
let current: Summons | null = null

/** Summons while the page is hidden, also when it becomes hidden later, until `dismiss`. */
export function summon(s: Summons): void {
  dismiss()
  current = s
  document.addEventListener('visibilitychange', look)
  look()
}
export function dismiss(): void {
  current = null
  document.removeEventListener('visibilitychange', look)
  quiet()
}
function quiet(): void {
  calm()
  shown?.close()
  shown = null
}
function look(): void {
  if (!current) return
  if (document.visibilityState === 'visible') return quiet()
  if (timer !== undefined) return
  flashTitle(current.title)
  notify(current.title, current.body, current.tag, current.chosen)
}

export type NotifyPermission = 'default' | 'granted' | 'denied' | 'unsupported'
export function notifyPermission(): NotifyPermission {
  return typeof Notification === 'undefined' || !isSecureContext ? 'unsupported' : Notification.permission
}
/** Needs a click of the person. */
export async function askToNotify(): Promise<NotifyPermission> {
  if (notifyPermission() === 'default') await Notification.requestPermission().catch(() => {})
  return notifyPermission()
}
