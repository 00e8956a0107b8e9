// Every action has a key. Bindings register here, so that buttons show them, `?` lists them and Ctrl-K runs them.
import { defineStore } from 'pinia'
import { inject, onBeforeUnmount, onMounted, provide, ref, shallowReactive, watch, type InjectionKey, type Ref } from 'vue'

export interface Binding {
  keys: string // "j", "shift+n", "mod+k", "g t" (one after the other)
  label: () => string
  group: 'go' | 'list' | 'page' | 'player' | 'call' | 'app'
  run: (event?: KeyboardEvent) => void
  layer: number
  typing?: boolean // also while typing in a field
  always?: boolean // also while a dialog is open: a call waits for nobody
  hidden?: boolean // not an action of its own in the palette
  enabled?: () => boolean
}

const layerKey: InjectionKey<number> = Symbol('key layer')
const isMac = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.platform)
const sequenceTime = 1200

export const useKeys = defineStore('keys', () => {
  const bindings = shallowReactive(new Set<Binding>())
  const layers = ref<number[]>([0])
  let lastLayer = 0
  let pending = ''
  let pendingAt = 0

  function openLayer(): number {
    lastLayer++
    layers.value.push(lastLayer)
    return lastLayer
  }
  function closeLayer(layer: number): void {
    layers.value = layers.value.filter((l) => l !== layer)
  }
  const top = (): number => layers.value[layers.value.length - 1] ?? 0

  function find(keys: string, typing: boolean): Binding | undefined {
    let found: Binding | undefined
    for (const b of bindings) {
      if ((b.layer !== top() && !b.always) || (typing && !b.typing) || b.enabled?.() === false) continue
      if (b.keys === keys) found = b
    }
    return found
  }
  function isPrefix(keys: string): boolean {
    for (const b of bindings) if (b.layer === top() && b.keys.startsWith(`${keys} `)) return true
    return false
  }

  function handle(event: KeyboardEvent): void {
    if (event.isComposing || event.defaultPrevented) return
    const typing = isTyping(event.target)
    const pressed = keyName(event)
    if (!pressed) return
    const now = Date.now()
    const sequence = pending && now - pendingAt < sequenceTime ? `${pending} ${pressed}` : ''
    pending = ''
    const binding = (sequence && find(sequence, typing)) || find(pressed, typing)
    if (binding) {
      if (ownsKey(event.target, pressed)) return
      event.preventDefault()
      binding.run(event)
    } else if (!typing && isPrefix(pressed)) {
      pending = pressed
      pendingAt = now
    }
  }
  return { bindings, layers, openLayer, closeLayer, top, handle }
})

/** Keys in the order they are held: "mod+shift+k". Shifted signs such as "?" stand for themselves. */
export function keyName(event: KeyboardEvent): string {
  const { key } = event
  if (['Control', 'Shift', 'Alt', 'Meta'].includes(key)) return ''
  // With Alt some keyboards make a sign of a letter (macOS: å): the key itself counts.
  const letter = event.altKey && /^Key[A-Z]$/.test(event.code ?? '') ? event.code.slice(3) : key
  const name = letter === ' ' ? 'space' : letter.toLowerCase()
  const mod = isMac ? event.metaKey : event.ctrlKey
  if (!mod && (event.ctrlKey || event.metaKey)) return ''
  const shift = event.shiftKey && (key.length > 1 || /[a-z]/i.test(letter))
  return `${mod ? 'mod+' : ''}${event.altKey ? 'alt+' : ''}${shift ? 'shift+' : ''}${name}`
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  if (target.isContentEditable || target.tagName === 'TEXTAREA' || target.tagName === 'SELECT' || target.shadowRoot?.querySelector('.cm-focused')) return true
  return target instanceof HTMLInputElement && !['checkbox', 'radio', 'button', 'range', 'file'].includes(target.type)
}

/** Enter and Space belong to the button or link that has the focus. */
function ownsKey(target: EventTarget | null, pressed: string): boolean {
  if (pressed !== 'enter' && pressed !== 'space') return false
  return target instanceof HTMLElement && target.closest('button, a[href], summary, [role="menuitem"], [role="slider"]') !== null
}

const signs: Record<string, string> = {
  mod: isMac ? '⌘' : 'Ctrl', shift: '⇧', alt: isMac ? '⌥' : 'Alt', enter: '↵', escape: 'Esc', space: 'Space',
  arrowleft: '←', arrowright: '→', arrowup: '↑', arrowdown: '↓',
}

/** "mod+k" → ["Ctrl K"], "g t" → ["G", "T"]. */
export function keyCaps(keys: string): string[] {
  return keys.split(' ').map((part) =>
    part.split(/\+(?=.)/).map((k) => signs[k] ?? (k.length === 1 ? k.toUpperCase() : k)).join(' '),
  )
}

export type KeyOptions = Partial<Pick<Binding, 'group' | 'typing' | 'always' | 'hidden' | 'enabled'>>

/** Binds a key while the component lives. */
export function useKey(keys: string, label: () => string, run: Binding['run'], options: KeyOptions = {}): void {
  const store = useKeys()
  const layer = inject(layerKey, 0)
  const binding: Binding = { keys, label, run, layer, group: 'page', ...options }
  onMounted(() => store.bindings.add(binding))
  onBeforeUnmount(() => store.bindings.delete(binding))
}

/** Puts what the component shows above the page: only its keys count while `open`. */
export function useKeyLayer(open: Ref<boolean>): void {
  const store = useKeys()
  const layer = store.openLayer()
  store.closeLayer(layer)
  provide(layerKey, layer)
  watch(
    open,
    (now) => {
      store.closeLayer(layer)
      if (now) store.layers.push(layer)
    },
    { immediate: true },
  )
  onBeforeUnmount(() => store.closeLayer(layer))
}
