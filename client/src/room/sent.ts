/** The votes given on this page, each in one state, from the click to Postgres. Pure. */
import type { OutgoingVote } from './outbox.ts'
import type { SessionState } from './state.ts'
import { ratingOf } from '../../../core/protocol/index.ts'

export type SentVote = {
  id: string
  sampleId: string
  rating: number
} & (
  | { state: 'waiting' | 'sending' }
  /** In Postgres; `storedAt` by this browser's clock, `value` is v; `late`: voting on its answer had closed. */
  | { state: 'stored' | 'withdrawing'; storedAt: number; value: number; late: boolean }
  | { state: 'withdrawn' }
  | { state: 'refused'; reason: string }
)

/** The server's ten seconds begin slightly before its acknowledgement arrives. */
const TRAVEL_MS = 500

/** How long a vote can still be withdrawn, milliseconds; 0 when it no longer can. One not yet stored always can. */
export function withdrawableFor(vote: SentVote, now: number, windowMs: number): number {
  if (vote.state === 'waiting' || vote.state === 'sending') return windowMs
  if (vote.state !== 'stored') return 0
  return Math.max(0, vote.storedAt + windowMs - TRAVEL_MS - now)
}

/** Whether the vote stands (or will, once it is sent), so that its sample is not offered again. */
export const stands = (vote: SentVote): boolean => vote.state !== 'withdrawn' && vote.state !== 'refused'

export const outgoing = (vote: OutgoingVote): SentVote => ({
  id: vote.id,
  sampleId: vote.sampleId,
  rating: ratingOf(vote).humanRating,
  state: 'waiting',
})

/** The reader's ratings by the vote's id, as far as they are known here. */
export const ratingsOf = ({ samples }: Pick<SessionState, 'samples'>, sent: readonly SentVote[]): Map<string, number> =>
  new Map([
    ...samples.flatMap(({ mine }) => (mine ? [[mine.feedbackId, mine.humanRating] as const] : [])),
    ...sent.map(({ id, rating }) => [id, rating] as const),
  ])
