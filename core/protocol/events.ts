/** What happens in a session, in the order of its log. */
import { z } from 'zod'
import { SessionId, Uuid } from './pieces.ts'
import { CrowdValue } from './samples.ts'
import { Evaluation } from './evaluations.ts'
import { Probe, RunWarning, TrainingMetrics } from './sessions.ts'
import { Bounty } from './rewards.ts'

const Piece = z.object({ sampleId: Uuid, offset: z.int(), text: z.string() })

/** A sample's standing votes, aggregated. `crowd` only reaches those who have voted on the sample (rule V3). */
const Tally = z.object({ sampleId: Uuid, votes: z.int(), crowd: CrowdValue.optional() })
export type Tally = z.infer<typeof Tally>

/**
 * The sample whose votes changed last (null: a text of the rater's own), and the others whose votes changed in the same
 * tick; absent if there are none.
 */
const VotesCounted = Tally.extend({
  sessionId: SessionId,
  sampleId: Uuid.nullable(),
  others: z.array(Tally).optional(),
})

/**
 * What happens in a session, in the order of its log. Each reaches a client
 * as `(payload)` with `seq` in it; each is idempotent (rule P3).
 */
export const roomEvents = {
  'training-started': z.object({ sessionId: SessionId, session: SessionId }),
  /** `reason`: if the run paused by itself. */
  'training-paused': z.object({ sessionId: SessionId, session: SessionId, reason: z.string().optional() }),
  'training-resumed': z.object({ sessionId: SessionId, session: SessionId }),
  'training-completed': z.object({ sessionId: SessionId, session: SessionId }),
  'training-failed': z.object({ sessionId: SessionId, session: SessionId, error: z.string() }),
  /** A step was committed, with its receipts. It is provisional until none of its votes can be withdrawn. */
  'training-progress': z.object({
    sessionId: SessionId,
    session: SessionId,
    epoch: z.int(),
    step: z.int(),
    policyVersion: z.int(),
    metrics: TrainingMetrics,
    timestamp: z.iso.datetime(),
  }),
  /**
   * The provisional steps from this one on are undone, and their receipts void: one of their votes was withdrawn. They
   * are made again without it.
   */
  'steps-undone': z.object({ sessionId: SessionId, from: z.int() }),
  /** The policy answered the probe again. */
  probe: Probe.extend({ sessionId: SessionId }),
  'metrics-update': z.object({ sessionId: SessionId, step: z.int(), metrics: TrainingMetrics }),
  /** The steps up to this one are final, and the state after it is stored. */
  'checkpoint-saved': z.object({
    sessionId: SessionId,
    session: SessionId,
    epoch: z.int(),
    checkpointPath: z.string(),
    metrics: TrainingMetrics,
  }),
  'training-warning': RunWarning,
  /** The run's weights were evaluated on held-out prompts. */
  evaluation: Evaluation,
  /**
   * What the trainer is doing, for the room's status line. `until`: when the phase ends by itself, if known.
   * `position`: of a run that is queued, as every trainer is busy with others; 1 is next.
   */
  'training-phase': z.object({
    sessionId: SessionId,
    phase: z.enum(['queued', 'generating', 'voting', 'settling', 'learning', 'waiting-for-votes', 'restoring']),
    step: z.int(),
    until: z.iso.datetime().nullable(),
    position: z.int().optional(),
  }),
  'sample-started': z.object({
    sessionId: SessionId,
    sampleId: Uuid,
    prompt: z.string(),
    policyVersion: z.int(),
    step: z.int(),
    origin: z.enum(['rollout', 'ask']),
  }),
  /**
   * `text` starts at character `offset` of the response. `others`: in a full room, the pieces that came before it in
   * the same tick.
   */
  'sample-tokens': Piece.extend({ sessionId: SessionId, others: z.array(Piece).optional() }),
  /** The response is complete and open to votes. */
  'sample-ready': z.object({ sessionId: SessionId, sampleId: Uuid, response: z.string() }),
  'voting-closed': z.object({ sessionId: SessionId, sampleId: Uuid, crowd: CrowdValue }),
  /** Votes were stored: one aggregate per tick (`limits.tallyMs`), however many there were. */
  'feedback-received': VotesCounted,
  /** Votes were withdrawn; aggregated likewise. */
  'feedback-withdrawn': VotesCounted,
  /** The step used this many votes. */
  'feedback-processed': z.object({ sessionId: SessionId, step: z.int(), votes: z.int() }),
  /** What the session's votes earn has changed: a pot was funded, priced or closed, or is empty. Lists all pots. */
  'bounties-changed': z.object({ sessionId: SessionId, bounties: z.array(Bounty) }),
} as const

export type RoomEvents = { [E in keyof typeof roomEvents]: z.infer<(typeof roomEvents)[E]> }

export type RoomEventName = keyof RoomEvents

/** One entry of a session's log. */
export type RoomEvent = { [E in RoomEventName]: { event: E; payload: RoomEvents[E] } }[RoomEventName]
