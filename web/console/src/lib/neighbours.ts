// The order of the list the reader came from, so that a ticket knows its neighbours.
let order: number[] = []

export function rememberTickets(numbers: number[]): void {
  order = numbers
}
export function neighbour(number: number, step: 1 | -1): number | undefined {
  const at = order.indexOf(number)
  return at < 0 ? undefined : order[at + step]
}
