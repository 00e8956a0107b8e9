export type Tone = 'ok' | 'talk' | 'warn' | 'alarm' | 'idle' | 'plain'
