// The microphone: asked for once, kept open, and said in plain words why not.
import type { SoundSettings } from './settings'

export const troubles = ['insecure', 'unsupported', 'blocked', 'dismissed', 'none', 'busy', 'failed'] as const
export type MicTrouble = (typeof troubles)[number]

export class MicError extends Error {
  constructor(readonly trouble: MicTrouble, cause?: unknown) {
    super(`microphone: ${trouble}`, { cause })
  }
}

interface Place {
  isSecureContext: boolean
  mediaDevices?: Pick<MediaDevices, 'getUserMedia'>
  rtc: boolean
}
/** What stands in the way before anybody is asked. */
export function obstacle(place: Place): MicTrouble | null {
  if (!place.isSecureContext) return 'insecure'
  if (!place.mediaDevices?.getUserMedia || !place.rtc) return 'unsupported'
  return null
}
/** Which of our words fits the browser's: a closed prompt may be asked again, a block may not. */
export function troubleOf(error: unknown, permission: PermissionState | 'unknown'): MicTrouble {
  switch ((error as { name?: string } | null)?.name) {
    case 'NotAllowedError':
      return permission === 'prompt' ? 'dismissed' : 'blocked'
    case 'SecurityError':
      return 'blocked'
    case 'NotFoundError':
      return 'none'
    case 'NotReadableError':
    case 'AbortError':
      return 'busy'
    default:
      return 'failed'
  }
}

export async function permission(): Promise<PermissionState | 'unknown'> {
  try {
    return (await navigator.permissions.query({ name: 'microphone' as PermissionName })).state
  } catch {
    return 'unknown'
  }
}
/** Calls `run` when the permission changes: who unblocks the microphone need not click again. */
export async function whenPermitted(run: () => void): Promise<void> {
  try {
    const status = await navigator.permissions.query({ name: 'microphone' as PermissionName })
    status.addEventListener('change', () => status.state === 'granted' && run())
  } catch {
    /* a browser that does not tell: the button tries again */
  }
}

export function constraints(s: Pick<SoundSettings, 'microphone' | 'clean'>): MediaTrackConstraints {
  return {
    ...(s.microphone ? { deviceId: { exact: s.microphone } } : {}),
    echoCancellation: s.clean,
    noiseSuppression: s.clean,
    autoGainControl: s.clean,
    channelCount: 1,
  }
}
export async function capture(s: Pick<SoundSettings, 'microphone' | 'clean'>): Promise<MediaStreamTrack> {
  const wrong = obstacle({ isSecureContext, mediaDevices: navigator.mediaDevices, rtc: typeof RTCPeerConnection !== 'undefined' })
  if (wrong) throw new MicError(wrong)
  try {
    return await take(s)
  } catch (error) {
    const name = (error as { name?: string }).name
    const gone = s.microphone && (name === 'OverconstrainedError' || name === 'NotFoundError')
    if (!gone) throw new MicError(troubleOf(error, await permission()), error)
  }
  try {
    return await take({ ...s, microphone: '' }) // the chosen one is unplugged: any is better than none
  } catch (error) {
    throw new MicError(troubleOf(error, await permission()), error)
  }
}
async function take(s: Pick<SoundSettings, 'microphone' | 'clean'>): Promise<MediaStreamTrack> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: constraints(s), video: false })
  return stream.getAudioTracks()[0]!
}

/** The loudness of a track, 0 to 1, on each frame until the returned function is called. */
export function meter(track: MediaStreamTrack, show: (level: number) => void): () => void {
  const context = new AudioContext()
  const source = context.createMediaStreamSource(new MediaStream([track]))
  const analyser = context.createAnalyser()
  analyser.fftSize = 1024
  source.connect(analyser)
  const samples = new Float32Array(analyser.fftSize)
  let frame = 0
  let shown = 0
  const draw = (): void => {
    analyser.getFloatTimeDomainData(samples)
    shown = Math.max(loudness(samples), shown * 0.9) // falls slowly, as meters do
    show(shown)
    frame = requestAnimationFrame(draw)
  }
  draw()
  void context.resume().catch(() => {})
  return () => {
    cancelAnimationFrame(frame)
    source.disconnect()
    void context.close().catch(() => {})
  }
}
/** −60 dBFS is nothing, 0 dBFS is everything. */
export function loudness(samples: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < samples.length; i++) sum += samples[i]! * samples[i]!
  const rms = Math.sqrt(sum / Math.max(1, samples.length))
  if (rms <= 0) return 0
  return Math.min(1, Math.max(0, 1 + (20 * Math.log10(rms)) / 60))
}
