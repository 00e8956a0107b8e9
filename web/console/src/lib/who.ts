import type { TicketParty } from '@/api/types'
import { phone } from './text'

/** How a customer is called in a row: by name, else by number, else as withheld. */
export function who(party: TicketParty | null | undefined, withheld: string): string {
  return party?.name || phone(party?.phone) || withheld
}
