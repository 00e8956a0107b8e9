import type { Party, TicketParty } from '@/api/types'
import { phone } from './text'

/** How a customer is called in a row: by name, else by number, else as withheld. */
export function who(party: TicketParty | null | undefined, withheld: string): string {
  return party?.name || phone(party?.phone) || withheld
}

/** The number a customer is called at: the surest of theirs. */
export function numberOf(party: Pick<Party, 'identities'> | null | undefined): string {
  const phones = (party?.identities ?? []).filter((i) => i.kind === 'phone')
  for (const level of ['verified', 'known', 'maybe']) {
    const one = phones.find((i) => i.level === level)
    if (one) return one.value
  }
  return ''
}
