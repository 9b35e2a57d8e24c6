import { limits, type RoomEvents } from '../../core/protocol/index.ts'

type Piece = Pick<RoomEvents['sample-tokens'], 'sampleId' | 'offset' | 'text'>
export type PiecesEntry = { event: 'sample-tokens'; payload: RoomEvents['sample-tokens']; seq: string }

/**
 * Batches streamed text in a full room: a step's answers stream side by side, many small pieces a
 * second to each of its sockets. Each tick they go as one message, whose seq is that of the last
 * piece. `flush` comes before anything else of the session's log, so that the order is kept (rule
 * P3).
 */
export function openPieces(send: (sessionId: string, entry: PiecesEntry) => void) {
  const waiting = new Map<string, { pieces: Piece[]; seq: string; timer: NodeJS.Timeout }>()

  function flush(sessionId: string): void {
    const held = waiting.get(sessionId)
    if (held === undefined) return
    clearTimeout(held.timer)
    waiting.delete(sessionId)
    const others = held.pieces.slice(0, -1)
    const last = held.pieces.at(-1)!
    send(sessionId, {
      event: 'sample-tokens',
      payload: { sessionId, ...last, ...(others.length > 0 && { others }) },
      seq: held.seq,
    })
  }

  return {
    add(sessionId: string, { payload: { sampleId, offset, text }, seq }: PiecesEntry): void {
      const held = waiting.get(sessionId) ?? {
        pieces: [],
        seq,
        timer: setTimeout(() => flush(sessionId), limits.tallyMs),
      }
      waiting.set(sessionId, held)
      held.seq = seq
      const before = held.pieces.findLast((piece) => piece.sampleId === sampleId)
      if (before !== undefined && before.offset + before.text.length === offset) before.text += text
      else held.pieces.push({ sampleId, offset, text })
    },
    flush,
    close(): void {
      for (const { timer } of waiting.values()) clearTimeout(timer)
      waiting.clear()
    },
  }
}
