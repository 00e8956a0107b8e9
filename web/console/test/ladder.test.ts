import { describe, expect, it } from 'vitest'
import type { SipMessage } from '../src/api/types'
import { classify, header, layOut } from '../src/lib/ladder'

let seq = 0
function message(sent: boolean, summary: string, cseq: string, ms: number, extra: Partial<SipMessage> & { branch?: string; sdp?: boolean } = {}): SipMessage {
  const { branch = `b${cseq}`, sdp, ...rest } = extra
  const body = `${summary}\r\nv: SIP/2.0/UDP 10.0.0.1;branch=${branch}\r\nCall-ID: abc\r\nCSeq: ${cseq}\r\n${sdp ? 'Content-Type: application/sdp\r\n' : ''}\r\nv=0`
  return { seq: ++seq, at: new Date(Date.UTC(2026, 0, 1) + ms).toISOString(), sent, transport: 'UDP', local: '10.0.0.9:5060', remote: '10.0.0.1:5060', summary, body, ...rest }
}

describe('ladder', () => {
  it('puts the peer that spoke first on the left and points the arrows the right way', () => {
    const { lanes, arrows } = layOut([
      message(false, 'INVITE sip:4000@h SIP/2.0', '1 INVITE', 0, { sdp: true }),
      message(true, 'SIP/2.0 100 Trying', '1 INVITE', 1),
      message(true, 'SIP/2.0 200 OK', '1 INVITE', 20, { sdp: true }),
      message(false, 'ACK sip:4000@h SIP/2.0', '1 ACK', 40),
    ])
    expect(lanes.map((l) => l.id)).toEqual(['10.0.0.1:5060', 'hotline'])
    expect(arrows.map((a) => [a.from, a.to])).toEqual([[0, 1], [1, 0], [1, 0], [0, 1]])
    expect(arrows.map((a) => a.cls)).toEqual(['request', 'provisional', 'success', 'request'])
    expect(arrows.map((a) => a.about)).toEqual(['SDP', 'INVITE', 'INVITE · SDP', ''])
    expect(arrows.map((a) => a.sinceStart)).toEqual([0, 1, 20, 40])
    expect(arrows[3]!.sincePrevious).toBe(20)
  })
  it('adds a lane for each further peer, on the right', () => {
    const { lanes } = layOut([message(false, 'INVITE sip:a SIP/2.0', '1 INVITE', 0), message(true, 'INVITE sip:b SIP/2.0', '7 INVITE', 5, { remote: '10.0.0.2:5060' })])
    expect(lanes.map((l) => l.id)).toEqual(['10.0.0.1:5060', 'hotline', '10.0.0.2:5060'])
  })
  it('stands left itself when it called', () => {
    const { lanes, arrows } = layOut([message(true, 'INVITE sip:b SIP/2.0', '1 INVITE', 0)])
    expect(lanes.map((l) => l.us)).toEqual([true, false])
    expect(arrows[0]).toMatchObject({ from: 0, to: 1 })
  })
  it('marks what was sent again, and only that', () => {
    const { arrows } = layOut([
      message(true, 'SIP/2.0 200 OK', '1 INVITE', 0), message(true, 'SIP/2.0 200 OK', '1 INVITE', 500), message(true, 'SIP/2.0 200 OK', '2 BYE', 600), message(false, 'SIP/2.0 200 OK', '1 INVITE', 700),
    ])
    expect(arrows.map((a) => a.again)).toEqual([false, true, false, false])
  })
  it('orders by sequence, not by arrival', () => {
    const [a, b] = [message(false, 'INVITE sip:a SIP/2.0', '1 INVITE', 0), message(true, 'SIP/2.0 100 Trying', '1 INVITE', 1)]
    expect(layOut([b, a]).arrows.map((x) => x.title)).toEqual(['INVITE', '100 Trying'])
  })
  it('is empty without messages', () => expect(layOut([]).arrows).toEqual([]))
  it('reads failures and short header names', () => {
    expect(classify('SIP/2.0 486 Busy Here')).toEqual({ cls: 'failure', title: '486 Busy Here' })
    expect(header('INVITE x SIP/2.0\r\ni: 77\r\nContent-Type: application/sdp\r\n\r\nCall-ID: in the body', 'Call-ID')).toBe('77')
    expect(header('INVITE x SIP/2.0\r\n\r\nCall-ID: 1', 'Call-ID')).toBe('')
  })
})
