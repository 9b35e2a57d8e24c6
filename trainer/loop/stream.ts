import type { TextStream as Decoder } from '../../lm/text/tokenizer.ts'
import { limits } from '../../core/protocol/index.ts'

/** Coalesces sampled tokens into pieces of text, at a limited rate. */
export interface RoomStream {
  push(index: number, token: number): void
  /** Flushes every sequence. */
  flush(): void
}

const intervalMs = 1000 / limits.tokenMessagesPerSecond

/**
 * Streams sequences: each sends at most `limits.tokenMessagesPerSecond` pieces a second, and all
 * other text waits with it.
 */
export function openRoomStream(deps: {
  count: number
  increments: () => Decoder
  now: () => number
  send: (index: number, offset: number, text: string) => void
}): RoomStream {
  const sequences = Array.from({ length: deps.count }, () => ({ text: deps.increments(), sent: 0, waiting: '' }))
  let last = deps.now()
  const send = (): void => {
    sequences.forEach((sequence, index) => {
      if (sequence.waiting === '') return
      deps.send(index, sequence.sent, sequence.waiting)
      sequence.sent += sequence.waiting.length
      sequence.waiting = ''
    })
  }
  return {
    push(index, token) {
      const sequence = sequences[index]!
      sequence.waiting += sequence.text.push(token)
      if (deps.now() - last < intervalMs) return
      last = deps.now()
      send()
    },
    flush() {
      for (const sequence of sequences) sequence.waiting += sequence.text.end()
      send()
    },
  }
}
