// Rows keep their places while somebody points at them or is among them with the keyboard: what is about to be pressed does not move away.
import { shallowRef, watch, type Ref } from 'vue'

export function steady<Row>(rows: Row[], before: Row[], key: (row: Row) => string): Row[] {
  const now = new Map(rows.map((r) => [key(r), r]))
  const kept = before.flatMap((r) => now.get(key(r)) ?? [])
  const known = new Set(kept.map(key))
  return [...kept, ...rows.filter((r) => !known.has(key(r)))]
}

export function useSteady<Row>(rows: Ref<Row[]>, key: (row: Row) => string, held: Ref<boolean>): Ref<Row[]> {
  const shown = shallowRef<Row[]>(rows.value)
  watch([rows, held], () => (shown.value = held.value ? steady(rows.value, shown.value, key) : rows.value))
  return shown
}
