// The phone's sound: one negotiation however often it is asked for, also while the browser still asks for the microphone.
import { beforeEach, describe, expect, it, vi } from 'vitest'

const sent: string[] = []
vi.mock('../src/softphone/socket', async () => {
  const { ref } = await import('vue')
  return { useSocket: () => ({ open: ref(true), send: async (cmd: string) => (sent.push(cmd), { sdp: 'answer' }) }) }
})

class Track {
  readyState = 'live'
  enabled = true
  label = 'head-set'
  onended: (() => void) | null = null
  stop(): void {
    this.readyState = 'ended'
  }
}
const peers: { state: string; onconnectionstatechange: (() => void) | null; closed: boolean; connectionState: string }[] = []
class Connection {
  connectionState = 'new'
  onconnectionstatechange: (() => void) | null = null
  ontrack = null
  localDescription = { sdp: 'offer' }
  closed = false
  state = ''
  constructor() {
    peers.push(this)
  }
  addTransceiver() {
    return { sender: {} }
  }
  createOffer = async () => ({})
  setLocalDescription = async () => {}
  setRemoteDescription = async () => {}
  close(): void {
    this.closed = true
  }
}
let allow: (track: Track) => void = () => {}
let asked = 0

async function fresh() {
  vi.resetModules()
  sent.length = peers.length = asked = 0
  vi.stubGlobal('isSecureContext', true)
  vi.stubGlobal('RTCPeerConnection', Connection)
  vi.stubGlobal('RTCRtpReceiver', {})
  vi.stubGlobal('navigator', {
    mediaDevices: {
      addEventListener() {},
      getUserMedia: () => {
        asked++
        return new Promise((resolve) => (allow = (track) => resolve({ getAudioTracks: () => [track] })))
      },
    },
  })
  return import('../src/softphone/phone')
}
const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}
let phone: Awaited<ReturnType<typeof fresh>>
beforeEach(async () => void (phone = await fresh()))

describe('phone', () => {
  it('negotiates once when it is asked while the microphone is still being asked for', async () => {
    phone.warmUp()
    void phone.connectPhone()
    void phone.connectPhone()
    phone.reconcile({ active: 'none', media: 'none' })
    await settle()
    expect([asked, phone.line.mic, sent.length]).toEqual([1, 'asking', 0])
    allow(new Track())
    await settle()
    expect([asked, phone.line.mic, sent, peers.length]).toEqual([1, 'open', ['phone.offer'], 1])
    peers[0]!.connectionState = 'connected'
    peers[0]!.onconnectionstatechange?.()
    phone.reconcile({ active: 'this', media: 'up' })
    await settle()
    expect([phone.line.peer, sent.length]).toEqual(['up', 1])
  })
  it('leaves no microphone open when it is let go of meanwhile', async () => {
    phone.warmUp()
    await settle()
    phone.releasePhone()
    const track = new Track()
    allow(track)
    await settle()
    expect([track.readyState, phone.line.mic, sent.length]).toEqual(['ended', 'off', 0])
  })
  it('is heard only for a reason, and never when muted', async () => {
    void phone.connectPhone()
    await settle()
    const track = new Track()
    allow(track)
    await settle()
    expect(track.enabled).toBe(false)
    phone.openMic('call', true)
    expect(track.enabled).toBe(true)
    phone.setMuted(true)
    expect([track.enabled, phone.line.hot]).toEqual([false, false])
    phone.setMuted(false)
    phone.openMic('call', false)
    expect(track.enabled).toBe(false)
  })
})
