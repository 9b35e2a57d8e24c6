import type { SettledVote } from '../../core/db/feedback.ts'
import type { NewSample } from '../../core/db/samples.ts'
import type { StepCommit } from '../../core/db/steps.ts'
import type { RoomEvent, SessionStatus } from '../../core/protocol/index.ts'

/**
 * The live loop's interface to the outside: the session's samples and votes in Postgres, and the
 * room. The loop itself (live-loop.ts) knows neither Postgres nor Redis; postgres-world.ts does.
 */
export interface World {
  /** Aborted when the run is paused, stopped or taken away; its reason is an {@link Interrupted}. */
  readonly signal: AbortSignal
  /** Milliseconds since the epoch. */
  now(): number
  sleep(ms: number): Promise<void>
  phase(phase: Phase, step: number, until?: number): void
  /**
   * Stores a sample about to be streamed, and returns null. If it is already complete, because its step
   * is repeated, it stays as it is, and its response is returned.
   */
  start(sample: NewSample): Promise<string | null>
  tokens(sampleId: string, offset: number, text: string): void
  /** The response is complete and open to votes. */
  ready(sampleId: string, response: string): Promise<void>
  /** When voting on these samples opened, milliseconds since the epoch. */
  openedAt(sampleIds: string[]): Promise<number>
  tally(sampleIds: string[]): Promise<Map<string, number>>
  /** Votes begun on these samples, and not cast, that a closing waits for (core/db/vote-begun.ts says which). */
  begunVotes(sampleIds: string[]): Promise<number>
  closeVoting(sampleIds: string[]): Promise<void>
  /**
   * How long until no vote cast before voting closed, or begun before and cast shortly after, can be withdrawn any
   * more; milliseconds.
   */
  settlesIn(sampleIds: string[]): Promise<number>
  /**
   * Every standing vote of the session that can't be withdrawn any more, oldest first; none of a rater who is excluded.
   */
  settledVotes(): Promise<SettledVote[]>
  /** The record of this step, if it was committed before in this run; else null. */
  recorded(step: number): Promise<RecordedStep | null>
  /** The oldest question that has no answer yet. */
  nextAsk(): Promise<{ sampleId: string; prompt: string } | null>
  failAsk(sampleId: string): Promise<void>
  /** If the step pauses the run, `signal` is aborted with it. */
  commit(step: Omit<StepCommit, 'sessionId'>): Promise<void>
}

/** A committed step whose checkpoint was lost: the inputs of recomputing it, and the expected result. */
export interface RecordedStep {
  checkpoint: string
  /** Every standing vote that it learnt from, oldest first. */
  votes: SettledVote[]
}

/** `queued` is the phase of a run that nobody trains. */
export type Phase = Exclude<Extract<RoomEvent, { event: 'training-phase' }>['payload']['phase'], 'queued'>

/** Why a run ended before its last step. */
export class Interrupted extends Error {
  /**
   * parked: it released its place, since nobody votes; yielded: to another waiting run. Either way it stays active.
   */
  readonly status: Exclude<SessionStatus, 'active'> | 'taken-away' | 'parked' | 'yielded'

  constructor(status: Interrupted['status']) {
    super(`the run is ${status}`)
    this.status = status
  }
}
