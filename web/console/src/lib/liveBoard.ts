// The board's subscription, for as long as a page shows it: whole at first and after each reconnect, row by row in between.
import { onBeforeUnmount, onMounted, ref, shallowRef } from 'vue'
import { serverNow, useSocket } from '@/softphone/socket'
import { boardEvents, news, noBoard, type BoardRows } from './board'

export function useLiveBoard() {
  const socket = useSocket()
  const board = shallowRef<BoardRows>(noBoard())
  const known = ref(false)
  const error = shallowRef<unknown>(null)
  const heard = ref(serverNow()) // when the line was last known to live
  const off: (() => void)[] = []

  // Several changes of one moment are drawn as one.
  let next = board.value
  let drawing = 0
  function draw(): void {
    drawing = 0
    board.value = next
  }
  async function watch(): Promise<void> {
    try {
      const whole = await socket.send<object | null>('board.watch')
      if (whole && 'queues' in whole) take('board', whole)
      error.value = null
    } catch (e) {
      error.value = e
    }
  }
  function take(event: (typeof boardEvents)[number], data: unknown): void {
    next = news(next, event, data)
    if (event === 'board') {
      known.value = true
      cancelAnimationFrame(drawing)
      draw()
    } else if (!drawing) drawing = requestAnimationFrame(draw)
  }
  onMounted(() => {
    for (const event of boardEvents) off.push(socket.on(event, (data: unknown) => take(event, data)))
    off.push(socket.onOpen(() => void watch()))
    off.push(socket.onDown(() => (heard.value = serverNow())))
  })
  onBeforeUnmount(() => {
    off.forEach((run) => run())
    cancelAnimationFrame(drawing)
    void socket.send('board.unwatch').catch(() => {})
  })
  return { board, known, error, heard, open: socket.open, watch }
}

/** The server's clock, each second, for what counts up. */
export function useSecond() {
  const now = ref(serverNow())
  let timer: ReturnType<typeof setInterval> | undefined
  onMounted(() => (timer = setInterval(() => (now.value = serverNow()), 1000)))
  onBeforeUnmount(() => clearInterval(timer))
  return now
}
