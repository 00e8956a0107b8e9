// The three ways into somebody else's call.
import type { Component } from 'vue'
import { Ear, MessageCircleMore, UserPlus } from '@lucide/vue'
import type { SuperviseMode } from '@/api/agent-types'

export const modes: { mode: SuperviseMode; icon: Component; word: string; hint: string; keys: string }[] = [
  { mode: 'listen', icon: Ear, word: 'board.listen', hint: 'board.listenHint', keys: 'l' },
  { mode: 'whisper', icon: MessageCircleMore, word: 'board.whisper', hint: 'board.whisperHint', keys: 'w' },
  { mode: 'barge', icon: UserPlus, word: 'board.barge', hint: 'board.bargeHint', keys: 'b' },
]
