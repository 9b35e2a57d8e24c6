/** What somebody's visit to a room came to, told when they have left it. Pure. */
import type { Probe } from '../../../core/protocol/index.ts'
import { count, plural } from '../ui/format.ts'
import { effectOf } from './receipt.ts'
import { stands, type SentVote } from './sent.ts'
import type { SessionState } from './state.ts'

export interface Summary {
  sessionId: string
  title: string
  /** Sentences. */
  said: string[]
  /** The run's one question, before any vote and now; null where nothing has changed that could be shown. */
  example: Probe | null
}

/** Null where they have not voted. @param sent the votes of this visit */
export function summaryOf(state: SessionState, sent: readonly SentVote[]): Summary | null {
  const { session, receipts, undone, probe } = state
  const given = sent.filter(stands)
  if (session === null || given.length === 0) return null
  const own = new Set(given.map(({ id }) => id))
  const came = receipts.filter(({ feedbackId }) => own.has(feedbackId) && !undone.includes(feedbackId))
  const changed = came.filter(({ updated }) => updated)
  const steps = new Set(changed.map(({ step }) => step)).size
  const moved = (way: 'up' | 'down'): number => changed.filter((one) => effectOf(one).direction === way).length
  const [up, down, waiting] = [moved('up'), moved('down'), given.length - came.length]
  return {
    sessionId: session.id,
    title: session.title,
    said: [
      `You gave ${plural(given.length, 'vote')}.`,
      changed.length === 0
        ? 'No step has changed the model with them yet.'
        : `${changed.length === given.length ? 'All' : count(changed.length)} of them changed the model, in ${plural(steps, 'step')}.`,
      up + down === 0
        ? ''
        : `Of the answers that you judged, ${count(up)} became likelier and ${count(down)} less likely.`,
      waiting === 0 ? '' : `${plural(waiting, 'vote')} will still be used; My votes has the receipts.`,
    ].filter(Boolean),
    example: probe !== null && probe.now !== probe.before ? probe : null,
  }
}
