// The browser's one RTCPeerConnection. It offers, the server answers; hold and mute never renegotiate.

export type PeerState = 'connecting' | 'connected' | 'lost' | 'failed' | 'closed'
export interface Counters {
  packets_received: number
  lost: number
  jitter_ms: number
  rtt_ms: number
}

export class Peer {
  private pc: RTCPeerConnection
  private sender: RTCRtpSender | undefined
  private giveUp: ReturnType<typeof setTimeout> | undefined
  private state: PeerState = 'connecting'

  constructor(
    ice: RTCIceServer[],
    private onState: (state: PeerState) => void,
    private onSound: (stream: MediaStream) => void,
  ) {
    this.pc = new RTCPeerConnection({ iceServers: ice, bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' })
    this.pc.onconnectionstatechange = () => this.changed()
    this.pc.ontrack = ({ track, streams }) => this.onSound(streams[0] ?? new MediaStream([track]))
  }

  /** Offers at once: the server is ICE-lite and needs no candidates of ours. Without a track it only listens. */
  async connect(track: MediaStreamTrack | null, exchange: (sdp: string) => Promise<string>, within = 10_000): Promise<void> {
    const line = this.pc.addTransceiver(track ?? 'audio', { direction: track ? 'sendrecv' : 'recvonly' })
    this.sender = line.sender
    preferTelephony(line)
    await this.pc.setLocalDescription(await this.pc.createOffer())
    const answer = await exchange(this.pc.localDescription!.sdp)
    if (this.state === 'closed') return
    await this.pc.setRemoteDescription({ type: 'answer', sdp: answer })
    this.giveUp = setTimeout(() => this.state === 'connecting' && this.enter('failed'), within)
  }
  async replace(track: MediaStreamTrack): Promise<void> {
    await this.sender?.replaceTrack(track)
  }
  close(): void {
    clearTimeout(this.giveUp)
    this.state = 'closed'
    this.pc.onconnectionstatechange = null
    this.pc.ontrack = null
    this.pc.close()
  }
  get connected(): boolean {
    return this.state === 'connected'
  }

  private changed(): void {
    const now = this.pc.connectionState
    if (now === 'connected') this.enter('connected')
    else if (now === 'disconnected') this.enter('lost')
    else if (now === 'failed' || now === 'closed') this.enter('failed')
  }
  private enter(state: PeerState): void {
    if (this.state === state || this.state === 'closed') return
    if (state === 'connected') clearTimeout(this.giveUp)
    this.state = state
    this.onState(state)
  }

  async counters(): Promise<Counters | null> {
    const report = await this.pc.getStats().catch(() => null)
    return report ? readStats(report) : null
  }
}

/** PCMU, PCMA and telephone-event, in that order: what a telephone line carries is what is spoken. */
function preferTelephony(line: RTCRtpTransceiver): void {
  const all = RTCRtpReceiver.getCapabilities?.('audio')?.codecs ?? []
  const wanted = ['audio/pcmu', 'audio/pcma', 'audio/telephone-event'].flatMap((mime) => all.filter((c) => c.mimeType.toLowerCase() === mime))
  if (wanted.some((c) => c.mimeType.toLowerCase() === 'audio/pcmu')) line.setCodecPreferences?.(wanted)
}

interface StatsEntry {
  type: string
  kind?: string
  packetsReceived?: number
  packetsLost?: number
  jitter?: number
  roundTripTime?: number
  currentRoundTripTime?: number
  nominated?: boolean
  state?: string
}
export function readStats(report: { forEach(run: (entry: StatsEntry) => void): void }): Counters {
  const out: Counters = { packets_received: 0, lost: 0, jitter_ms: 0, rtt_ms: 0 }
  let measured = 0
  report.forEach((e) => {
    if (e.type === 'inbound-rtp' && e.kind === 'audio') {
      out.packets_received += e.packetsReceived ?? 0
      out.lost += Math.max(0, e.packetsLost ?? 0)
      out.jitter_ms = round((e.jitter ?? 0) * 1000)
    }
    if (e.type === 'remote-inbound-rtp' && e.roundTripTime) measured = round(e.roundTripTime * 1000)
    if (e.type === 'candidate-pair' && e.nominated && e.state === 'succeeded') out.rtt_ms = round((e.currentRoundTripTime ?? 0) * 1000)
  })
  if (measured > 0) out.rtt_ms = measured
  return out
}
const round = (n: number): number => Math.round(n * 100) / 100
