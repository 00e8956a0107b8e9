/** Peaks of one channel squeezed or stretched to `bars` bars, 0–1. */
export function bars(peaks: number[] | undefined, count: number): number[] {
  if (!peaks || peaks.length === 0 || count < 1) return []
  return Array.from({ length: count }, (_, i) => {
    const from = Math.floor((i * peaks.length) / count)
    const to = Math.max(from + 1, Math.floor(((i + 1) * peaks.length) / count))
    let top = 0
    for (let p = from; p < to; p++) top = Math.max(top, peaks[p] ?? 0)
    return top / 255
  })
}

/** An SVG path of bars: the first channel above the middle, the second below it; one alone goes both ways. */
export function wavePath(channels: number[][], width: number, height: number, step = 3): string {
  const count = Math.floor(width / step)
  const up = bars(channels[0], count)
  const down = channels.length > 1 ? bars(channels[1], count) : up
  const middle = height / 2
  const room = middle - 1
  let path = ''
  for (let i = 0; i < count; i++) {
    const x = (i * step + 1).toFixed(1)
    const above = Math.max(0.6, (up[i] ?? 0) * room)
    const below = Math.max(0.6, (down[i] ?? 0) * room)
    path += `M${x} ${(middle - above).toFixed(1)}V${(middle + below).toFixed(1)}`
  }
  return path
}

export const speeds = [0.75, 1, 1.25, 1.5, 1.75, 2]

export function nextSpeed(speed: number, step: 1 | -1): number {
  const at = speeds.indexOf(speed)
  return speeds[Math.min(speeds.length - 1, Math.max(0, at + step))] ?? 1
}
