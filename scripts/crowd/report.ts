/** What a simulated crowd did and the results. Pure. */
import { rate } from '../pretrain/oracle.ts'
import type { SeenSample } from './board.ts'
import { distribution, mean, type Distribution } from '../../core/statistics.ts'
import type { CrowdOptions } from './options.ts'
import type { Rater, VoteRecord } from './rater.ts'

/** The hidden oracle's view of some answers; means over them. */
export interface OracleView {
  samples: number
  compassion: number
  usefulness: number
  /** Share that are readable sentences on topic. */
  readable: number
}

export interface CrowdReport {
  /** These were never people. */
  simulated: true
  session: string
  raters: number
  adversaries: number
  votesBy: 'oracle' | 'random'
  seed: number
  /** How the session ended, if it did before they went home. */
  ended: string | null
  /** How long they voted, and how long everything took, seconds. */
  seconds: number
  totalSeconds: number
  sent: number
  acknowledged: number
  withdrawn: number
  /** Votes that an update used, by their receipts; of those, receipts that came over the socket. */
  used: number
  usedBySocket: number
  /** Refusals by code; one vote may be refused more than once before it is accepted. */
  rejected: Record<string, number>
  /** Answers whose voting closed while somebody was reading them. */
  tooLate: number
  reconnects: number
  caughtUp: number
  snapshots: number
  /**
   * First sending → acknowledgement; vote stored → weights first changed by it; the same by the last step that was made
   * with it, where one was undone for somebody's withdrawal. Milliseconds.
   */
  ackMs: Distribution | null
  gradientMs: Distribution | null
  settledMs: Distribution | null
  eventsPerSocketPerSecond: number
  /** The answers shown in each step, oldest first. */
  steps: (OracleView & { step: number })[]
  /** The first and the last answers that were shown. */
  before: OracleView | null
  after: OracleView | null
  /** Every vote; not part of the printed report. */
  votes: readonly VoteRecord[]
}

/** Answers at each end that "before" and "after" are averaged over. */
const ENDS = 32

export function reportOf(
  options: CrowdOptions,
  raters: readonly Rater[],
  measured: { seconds: number; total: number; received: number },
): CrowdReport {
  const votes = raters.flatMap((rater) => [...rater.votes])
  const acknowledged = votes.filter((vote) => vote.ackedAt !== null)
  const receipts = votes.flatMap((vote) => (vote.withdrawn ? [] : (vote.receipt ?? [])))
  const total = (count: keyof Rater['counts']) => raters.reduce((sum, rater) => sum + rater.counts[count], 0)
  const steps = byStep(raters)
  const answers = steps.flatMap(([, samples]) => samples)
  const ends = Math.min(ENDS, Math.floor(answers.length / 2))
  return {
    simulated: true,
    session: options.session,
    raters: raters.length,
    adversaries: Math.round((options.adversaries ?? 0) * options.raters),
    votesBy: options.votes ?? 'oracle',
    seed: options.seed ?? 1,
    ended: raters.find((rater) => rater.ended !== null)?.ended ?? null,
    seconds: measured.seconds,
    totalSeconds: measured.total,
    sent: votes.length,
    acknowledged: acknowledged.length,
    withdrawn: votes.filter((vote) => vote.withdrawn).length,
    used: receipts.length,
    usedBySocket: measured.received,
    rejected: sumOf(raters),
    tooLate: total('tooLate'),
    reconnects: total('reconnects'),
    caughtUp: total('caughtUp'),
    snapshots: total('snapshots'),
    ackMs: distribution(acknowledged.map((vote) => (vote.ackedAt ?? vote.sentAt) - vote.sentAt)),
    gradientMs: distribution(votes.flatMap((vote) => (vote.withdrawn ? [] : (vote.firstUsedMs ?? [])))),
    settledMs: distribution(receipts.map((receipt) => receipt.latencyMs)),
    eventsPerSocketPerSecond: total('events') / raters.length / measured.total,
    steps: steps.map(([step, samples]) => ({ step, ...view(samples) })),
    before: ends === 0 ? null : view(answers.slice(0, ends)),
    after: ends === 0 ? null : view(answers.slice(-ends)),
    votes,
  }
}

/** Completed answers that the crowd was shown, each once, by step. */
function byStep(raters: readonly Rater[]): [number, SeenSample[]][] {
  const all = new Map<string, SeenSample>()
  for (const { board } of raters) {
    for (const sample of board.samples.values()) {
      if (sample.origin === 'rollout' && sample.status !== 'streaming') all.set(sample.id, sample)
    }
  }
  const steps = new Map<number, SeenSample[]>()
  for (const sample of all.values()) steps.set(sample.step, [...(steps.get(sample.step) ?? []), sample])
  return [...steps].sort(([a], [b]) => a - b)
}

function view(samples: readonly SeenSample[]): OracleView {
  const ratings = samples.map(({ prompt, response }) => rate(prompt, response))
  return {
    samples: ratings.length,
    compassion: mean(ratings.map((rating) => rating.compassion)),
    usefulness: mean(ratings.map((rating) => rating.usefulness)),
    readable: mean(ratings.map((rating) => (rating.readable ? 1 : 0))),
  }
}

function sumOf(raters: readonly Rater[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const { refusals } of raters) for (const [code, count] of refusals) sums[code] = (sums[code] ?? 0) + count
  return sums
}
