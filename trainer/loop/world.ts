import type { NewEvaluation } from '../../core/db/evaluations.ts'
import type { SettledVote, VoteNews } from '../../core/db/feedback.ts'
import type { NewSample, OpenAnswer, ShownSample } from '../../core/db/samples.ts'
import type { LoggedStep, StepCommit } from '../../core/db/steps.ts'
import type { Probe, RoomEvent, RunWarning, SessionStatus } from '../../core/protocol/index.ts'
import type { Evaluated } from '../evaluation/gate.ts'
import type { Checkpoint } from './checkpoint.ts'

/**
 * The live loop's interface to the outside: the session's answers, votes and steps in Postgres, and the
 * room. The loop itself (live-loop.ts) knows neither Postgres nor Redis; postgres-world.ts does.
 */
export interface World {
  /** Aborted when the run is paused, stopped or taken away; its reason is an {@link Interrupted}. */
  readonly signal: AbortSignal
  /** Milliseconds since the epoch. */
  now(): number
  sleep(ms: number): Promise<void>
  phase(phase: Phase, step: number, until?: number): void

  /** The answers that people vote on, oldest first. */
  pool(): Promise<OpenAnswer[]>
  /** How many answers have been shown so far. */
  shown(): Promise<number>
  /** Those of these answers on which somebody is in the middle of a vote that a closing waits for. */
  held(sampleIds: readonly string[]): Promise<string[]>
  /** Opens complete answers to votes, for good: votes belong to their words, whatever becomes of the step. */
  show(samples: readonly ShownSample[]): Promise<void>
  closeVoting(sampleIds: readonly string[]): Promise<void>
  /** Those of these answers that were shown as the policy sampled them. */
  recorded(sampleIds: readonly string[]): Promise<ShownSample[]>

  /** The oldest question that has no answer yet. */
  nextAsk(): Promise<{ sampleId: string; prompt: string } | null>
  /** Stores the answer to a question about to be streamed. */
  start(sample: NewSample): Promise<void>
  tokens(sampleId: string, offset: number, text: string): void
  /** The answer to a question is complete and open to votes. */
  ready(sampleId: string, response: string): Promise<void>
  failAsk(sampleId: string): Promise<void>

  /** The latest `count` standing votes that steps up to `step` have used, oldest first. */
  usedVotes(step: number, count: number): Promise<SettledVote[]>
  /** What has happened to the votes since it was last called. @param step the last step that has been made */
  news(step: number): Promise<VoteNews>
  /** The steps after `step` in the log: final ones whose checkpoint is lost, and provisional ones. */
  logged(step: number): Promise<LoggedStep[]>
  /** Commits a provisional step. If it pauses the run, `signal` is aborted with it. @throws VotesChanged */
  commit(step: Omit<StepCommit, 'sessionId'>): Promise<void>
  /** Removes the provisional steps from this one on from the log. */
  undo(step: number): Promise<void>
  /** Notes what a final step, made again, has come out as. */
  rewrite(step: Omit<StepCommit, 'sessionId'>): Promise<void>
  /** Saves the state after a final step again, whose file is lost. */
  resave(step: number, state: Checkpoint): Promise<void>
  /** Saves the states after these steps, and makes the steps up to the last one final. @throws VotesChanged */
  finalise(states: readonly { step: number; state: Checkpoint }[]): Promise<void>
  /** The evaluations of the steps that led to the run's weights, oldest first. */
  evaluations(): Promise<Evaluated[]>
  evaluated(evaluation: NewEvaluation): Promise<void>
  /** The state that was saved after a step; null: it is not kept. */
  stateOf(step: number): Promise<Checkpoint | null>
  /** What the room was told of the probe last; null: nothing yet. */
  probe(): Promise<Probe | null>
  tellProbe(probe: Probe): Promise<void>
  /** There is nothing to do: if that lasts, the run may release its place. @param step the next one */
  quiet(open: readonly OpenAnswer[], step: number): Promise<void>
  warn(warning: Pick<RunWarning, 'step' | 'kind' | 'message'>): Promise<void>
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
