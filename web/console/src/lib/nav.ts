import type { Component } from 'vue'
import { Activity, Bell, CalendarClock, Hash, KeyRound, ListOrdered, Phone, ScrollText, Settings2, Ticket, TowerControl, Users, UserCog, Volume2, Workflow } from '@lucide/vue'
import type { Ability } from './can'

export interface Place {
  name: string // of the route
  key: string // of the catalogue: nav.<key>
  icon: Component
  keys: string
  needs?: Ability
}

/** The rail. */
export const places: Place[] = [
  { name: 'tickets', key: 'tickets', icon: Ticket, keys: 'g t' },
  { name: 'tasks', key: 'tasks', icon: Bell, keys: 'g k' },
  { name: 'calls', key: 'calls', icon: Phone, keys: 'g l' },
  { name: 'customers', key: 'customers', icon: Users, keys: 'g c' },
  { name: 'setup', key: 'setup', icon: Settings2, keys: 'g s', needs: 'queues.write' },
]

/** The pages of the set-up. */
export const setupPlaces: Place[] = [
  { name: 'flows', key: 'flows', icon: Workflow, keys: 'g f', needs: 'setup.read' },
  { name: 'prompts', key: 'prompts', icon: Volume2, keys: 'g p', needs: 'setup.read' },
  { name: 'hours', key: 'hours', icon: CalendarClock, keys: 'g h', needs: 'setup.read' },
  { name: 'queues', key: 'queues', icon: ListOrdered, keys: 'g q', needs: 'queues.write' },
  { name: 'numbers', key: 'numbers', icon: Hash, keys: 'g n', needs: 'setup.read' },
  { name: 'trunks', key: 'trunks', icon: TowerControl, keys: 'g r', needs: 'setup.read' },
  { name: 'accounts', key: 'accounts', icon: UserCog, keys: 'g a', needs: 'accounts.manage' },
  { name: 'tokens', key: 'tokens', icon: KeyRound, keys: 'g o', needs: 'accounts.manage' },
  { name: 'audit', key: 'audit', icon: ScrollText, keys: 'g d', needs: 'audit.read' },
  { name: 'system', key: 'system', icon: Activity, keys: 'g y', needs: 'setup.read' },
]
