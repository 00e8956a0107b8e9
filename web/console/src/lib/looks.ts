// How states look: a tone and a shape each, so that colour is never alone.
import type { Component } from 'vue'
import {
  ArrowDown, BadgeCheck, CalendarClock, ChevronsUp, ChevronUp, Circle, CircleAlert, CircleCheck, CircleDashed, CircleDot, CircleHelp, CirclePause, CircleSlash, CircleX, Equal, GitBranch, Globe, Hash, Keyboard, Languages, ListOrdered, MessageCircle, Phone,
  PhoneForwarded, PhoneMissed, PhoneOff, Repeat, RotateCw, Scissors, Ticket, Undo2, UserCheck, Voicemail,
} from '@lucide/vue'
import type { Level, Priority, TicketState } from '@/api/types'
import type { Tone } from '@/components/ui/tones'

export interface Look {
  tone: Tone
  icon: Component
}

export const stateLook: Record<TicketState, Look> = {
  new: { tone: 'talk', icon: CircleDashed },
  open: { tone: 'ok', icon: CircleDot },
  pending: { tone: 'warn', icon: CirclePause },
  resolved: { tone: 'idle', icon: CircleCheck },
  closed: { tone: 'idle', icon: CircleSlash },
}
export const states = Object.keys(stateLook) as TicketState[]

export const priorityLook: Record<Priority, Look> = {
  urgent: { tone: 'alarm', icon: ChevronsUp },
  high: { tone: 'warn', icon: ChevronUp },
  normal: { tone: 'plain', icon: Equal },
  low: { tone: 'idle', icon: ArrowDown },
}
export const priorities = Object.keys(priorityLook) as Priority[]

export const resultLook: Record<string, Look> = {
  '': { tone: 'talk', icon: Phone },
  completed: { tone: 'idle', icon: CircleCheck },
  answered: { tone: 'ok', icon: Phone },
  abandoned: { tone: 'alarm', icon: PhoneMissed },
  voicemail: { tone: 'talk', icon: Voicemail },
  callback: { tone: 'warn', icon: Undo2 },
  transferred: { tone: 'idle', icon: PhoneForwarded },
  rejected: { tone: 'idle', icon: PhoneOff },
  failed: { tone: 'alarm', icon: CircleX },
  cut_by_system: { tone: 'alarm', icon: Scissors },
}
export const results = Object.keys(resultLook).filter(Boolean)
export const resultOf = (result: string): Look => resultLook[result] ?? { tone: 'plain', icon: Circle }

export const levelLook: Record<Level, Look> = {
  verified: { tone: 'ok', icon: BadgeCheck },
  known: { tone: 'plain', icon: UserCheck },
  maybe: { tone: 'warn', icon: CircleHelp },
}

export const trunkLook: Record<string, Look> = {
  up: { tone: 'ok', icon: CircleCheck },
  down: { tone: 'alarm', icon: CircleAlert },
  unknown: { tone: 'idle', icon: CircleHelp },
  disabled: { tone: 'idle', icon: CircleSlash },
}

/** What a ticket may become, as the server's transition map has it. */
export const transitions: Record<TicketState, TicketState[]> = {
  new: ['open', 'pending', 'resolved', 'closed'],
  open: ['pending', 'resolved', 'closed'],
  pending: ['open', 'resolved', 'closed'],
  resolved: ['open', 'closed'],
  closed: [], // final: who closes by mistake makes a new ticket
}

/** The kinds of a flow's nodes. */
export const nodeIcons: Record<string, Component> = {
  play: MessageCircle, menu: Keyboard, hours: CalendarClock, language: Languages, collect: Hash, branch: GitBranch, count: Repeat, lookup: Globe,
  ticket_status: Ticket, queue: ListOrdered, voicemail: Voicemail, transfer: PhoneForwarded, hangup: PhoneOff,
  resumed: RotateCw,
}
