import { ref } from 'vue'

/** The id of the recording that was started last: starting one stops the others. */
export const playing = ref('')
