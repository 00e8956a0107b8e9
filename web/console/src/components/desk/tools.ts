// What is open beside the page: one tool at a time, and the settings of sound. Kept here because the bar and the panels both need it.
import { reactive, ref } from 'vue'

export type Tool = 'pad' | 'dial' | 'transfer' | 'note'
export const tool = ref<Tool | null>(null)
export const soundOpen = ref(false)
/** The wrap-up may be put aside to see what is under it; it goes on counting in the bar. */
export const wrapAside = ref(false)
export function toggleTool(next: Tool): void {
  tool.value = tool.value === next ? null : next
}
/** Which of several people on a number is meant, by call. */
export const chosenParty = reactive(new Map<string, string>())
