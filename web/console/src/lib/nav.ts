import type { Component } from 'vue'
import {
  Activity, Bell, CalendarClock, ClipboardCheck, Coffee, GraduationCap, Hash, Headphones, Headset, KeyRound, LayoutDashboard, ListOrdered, Phone,
  Route, ScrollText, Server, Settings2, Ticket, TowerControl, UserCog, Users, UsersRound, Volume2, Workflow,
} from '@lucide/vue'
import type { Ability } from './can'

export interface Place {
  name: string // of the route
  key: string // of the catalogue: nav.<key>
  icon: Component
  keys: string
  needs?: Ability
  group?: 'telephony' | 'work' | 'administration' // of the set-up
}

/** The rail. */
export const places: Place[] = [
  { name: 'desk', key: 'desk', icon: Headphones, keys: 'g x' },
  { name: 'tickets', key: 'tickets', icon: Ticket, keys: 'g t' },
  { name: 'tasks', key: 'tasks', icon: Bell, keys: 'g k' },
  { name: 'calls', key: 'calls', icon: Phone, keys: 'g l' },
  { name: 'board', key: 'board', icon: LayoutDashboard, keys: 'g b', needs: 'board.read' },
  { name: 'customers', key: 'customers', icon: Users, keys: 'g c' },
  { name: 'setup', key: 'setup', icon: Settings2, keys: 'g s', needs: 'queues.write' },
]

/** What a phone has room for beside search and the rest: the first that one may see. */
export const onPhone = 4
const atHand = ['desk', 'tickets', 'board', 'calls', 'tasks', 'customers', 'setup']
export function phonePlaces(shown: Place[]): Set<string> {
  return new Set(atHand.filter((name) => shown.some((p) => p.name === name)).slice(0, onPhone))
}

/** The pages of the set-up. */
export const setupPlaces: Place[] = [
  { name: 'flows', key: 'flows', icon: Workflow, keys: 'g f', needs: 'setup.read', group: 'telephony' },
  { name: 'prompts', key: 'prompts', icon: Volume2, keys: 'g p', needs: 'setup.read', group: 'telephony' },
  { name: 'hours', key: 'hours', icon: CalendarClock, keys: 'g h', needs: 'setup.read', group: 'telephony' },
  { name: 'numbers', key: 'numbers', icon: Hash, keys: 'g n', needs: 'setup.read', group: 'telephony' },
  { name: 'trunks', key: 'trunks', icon: TowerControl, keys: 'g r', needs: 'setup.read', group: 'telephony' },
  { name: 'routes', key: 'routes', icon: Route, keys: 'g z', needs: 'setup.read', group: 'telephony' },
  { name: 'asterisks', key: 'asterisks', icon: Server, keys: 'g v', needs: 'setup.read', group: 'telephony' },
  { name: 'queues', key: 'queues', icon: ListOrdered, keys: 'g q', needs: 'queues.write', group: 'work' },
  { name: 'agents', key: 'agents', icon: Headset, keys: 'g e', needs: 'agents.read', group: 'work' },
  { name: 'teams', key: 'teams', icon: UsersRound, keys: 'g m', needs: 'agents.write', group: 'work' },
  { name: 'skills', key: 'skills', icon: GraduationCap, keys: 'g i', needs: 'queues.write', group: 'work' },
  { name: 'reasons', key: 'reasons', icon: Coffee, keys: 'g j', needs: 'queues.write', group: 'work' },
  { name: 'codes', key: 'codes', icon: ClipboardCheck, keys: 'g w', needs: 'queues.write', group: 'work' },
  { name: 'accounts', key: 'accounts', icon: UserCog, keys: 'g a', needs: 'accounts.manage', group: 'administration' },
  { name: 'tokens', key: 'tokens', icon: KeyRound, keys: 'g o', needs: 'accounts.manage', group: 'administration' },
  { name: 'audit', key: 'audit', icon: ScrollText, keys: 'g d', needs: 'audit.read', group: 'administration' },
  { name: 'system', key: 'system', icon: Activity, keys: 'g y', needs: 'setup.read', group: 'administration' },
]
