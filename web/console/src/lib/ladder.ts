// Lays out a SIP ladder: who spoke to whom, in order, with what each message is.
import type { SipMessage } from '@/api/types'

export type MessageClass = 'request' | 'provisional' | 'success' | 'failure'

export interface Lane {
  id: string // "hotline", or a peer's address
  label: string
  us: boolean
}
export interface Arrow {
  message: SipMessage
  from: number // lane
  to: number
  title: string // "INVITE", "200 OK"
  about: string // what a response answers: "INVITE"; what a request carries: "SDP"
  cls: MessageClass
  sinceStart: number // ms
  sincePrevious: number
  again: boolean // a retransmission
}
export interface Ladder {
  lanes: Lane[]
  arrows: Arrow[]
}

const us = 'hotline'

export function header(body: string, name: string): string {
  const short: Record<string, string> = { 'call-id': 'i', 'content-type': 'c', 'content-length': 'l', via: 'v', from: 'f', to: 't' }
  const names = [name.toLowerCase(), short[name.toLowerCase()]].filter(Boolean)
  for (const line of body.split(/\r?\n/)) {
    if (line === '') return ''
    const colon = line.indexOf(':')
    if (colon > 0 && names.includes(line.slice(0, colon).trim().toLowerCase())) return line.slice(colon + 1).trim()
  }
  return ''
}

export function classify(summary: string): { cls: MessageClass; title: string } {
  const status = /^SIP\/2\.0 (\d{3}) ?(.*)$/.exec(summary)
  if (!status) return { cls: 'request', title: summary.split(' ')[0] ?? summary }
  const code = Number(status[1])
  const cls = code < 200 ? 'provisional' : code < 300 ? 'success' : 'failure'
  return { cls, title: `${code} ${status[2]}`.trim() }
}

function hasSDP(body: string): boolean {
  return /application\/sdp/i.test(header(body, 'Content-Type'))
}

/** A message is sent again when its start line, CSeq, branch and way are those of an earlier one. */
function sameness(m: SipMessage): string {
  return [m.sent, m.remote, m.summary, header(m.body, 'CSeq'), header(m.body, 'Via'), header(m.body, 'Call-ID')].join('|')
}

export function layOut(messages: SipMessage[]): Ladder {
  const ordered = [...messages].sort((a, b) => a.seq - b.seq)
  const lanes = lanesOf(ordered)
  const lane = (id: string): number => lanes.findIndex((l) => l.id === id)
  const start = Date.parse(ordered[0]?.at ?? '')
  const seen = new Set<string>()
  let previous = start
  const arrows = ordered.map((message): Arrow => {
    const at = Date.parse(message.at)
    const key = sameness(message)
    const again = seen.has(key)
    seen.add(key)
    const { cls, title } = classify(message.summary)
    const method = header(message.body, 'CSeq').split(/\s+/)[1] ?? ''
    const about = [cls === 'request' ? '' : method, hasSDP(message.body) ? 'SDP' : ''].filter(Boolean).join(' · ')
    const arrow = {
      message, cls, title, about, again,
      from: lane(message.sent ? us : message.remote),
      to: lane(message.sent ? message.remote : us),
      sinceStart: at - start,
      sincePrevious: at - previous,
    }
    previous = at
    return arrow
  })
  return { lanes, arrows }
}

/** The peer that spoke first stands on the left, Hotline beside it, others on the right in the order they appear. */
function lanesOf(messages: SipMessage[]): Lane[] {
  const peers: string[] = []
  for (const m of messages) if (!peers.includes(m.remote)) peers.push(m.remote)
  const local = messages.find((m) => m.local)?.local ?? ''
  const hotline: Lane = { id: us, label: local, us: true }
  const [first, ...rest] = peers.map((id): Lane => ({ id, label: id, us: false }))
  if (!first) return [hotline]
  const startedByUs = messages[0]?.sent === true
  return startedByUs ? [hotline, first, ...rest] : [first, hotline, ...rest]
}
