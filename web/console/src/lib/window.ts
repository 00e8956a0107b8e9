/** Which rows of a long list are in the page: those seen and a screenful of spare either side. */
export function visibleRows(top: number, height: number, row: number, count: number): { first: number; last: number } {
  const spare = Math.ceil(height / row / 2) + 4
  const first = Math.max(0, Math.min(count, Math.floor(top / row)) - spare)
  const last = Math.min(count, Math.ceil((top + height) / row) + spare)
  return { first, last }
}
