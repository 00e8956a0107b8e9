// How states of agents and calls look: a tone and a shape each, so that colour is never alone.
import { AudioLines, CircleCheck, CircleMinus, CirclePause, CircleSlash, PenLine, Phone, PhoneOutgoing, Plane, TriangleAlert, Users, UserRoundCheck } from '@lucide/vue'
import type { Look } from '@/lib/looks'
import type { AgentState, CallPhase } from './protocol'

export const agentLook: Record<AgentState, Look> = {
  ready: { tone: 'ok', icon: CircleCheck },
  reserved: { tone: 'talk', icon: UserRoundCheck },
  ringing: { tone: 'talk', icon: Phone },
  talking: { tone: 'talk', icon: AudioLines },
  wrap_up: { tone: 'warn', icon: PenLine },
  not_ready: { tone: 'idle', icon: CircleMinus },
  not_responding: { tone: 'alarm', icon: TriangleAlert },
  offline: { tone: 'idle', icon: CircleSlash },
}
export const agentStates = Object.keys(agentLook) as AgentState[]

export const phaseLook: Record<CallPhase, Look> = {
  dialing: { tone: 'talk', icon: PhoneOutgoing },
  talking: { tone: 'talk', icon: AudioLines },
  held: { tone: 'warn', icon: CirclePause },
  consulting: { tone: 'talk', icon: Users },
  conference: { tone: 'talk', icon: Users },
  away: { tone: 'alarm', icon: Plane },
}
export const callPhases = Object.keys(phaseLook) as CallPhase[]
export const inkOf: Record<Look['tone'], string> = { ok: 'text-ok', talk: 'text-talk', warn: 'text-warn', alarm: 'text-alarm', idle: 'text-idle', plain: 'text-ink-2' }
