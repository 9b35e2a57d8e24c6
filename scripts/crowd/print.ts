/** The crowd's report, and its state while it votes, as lines of text. Pure. */
import { distribution, maxOf, type Distribution } from '../../core/statistics.ts'
import type { Progress } from './options.ts'
import type { Rater } from './rater.ts'
import type { CrowdReport, OracleView } from './report.ts'

export function reportLines(report: CrowdReport): string[] {
  const { before, after, ackMs, gradientMs, rejected } = report
  const temper = report.votesBy === 'random' ? 'voting at random' : `of whom ${report.adversaries} adversaries`
  const refusals = Object.entries(rejected).map(([code, count]) => `${count} ${code}`)
  return [
    `Simulated crowd: ${report.raters} simulated raters, ${temper}, seed ${report.seed}, ${report.seconds.toFixed(0)} s on session ${report.session}`,
    ...table([
      ['votes sent', String(report.sent)],
      ['acknowledged', String(report.acknowledged)],
      ['withdrawn', String(report.withdrawn)],
      ['used by an update', `${report.used} (${report.usedBySocket} receipts over the socket)`],
      ['refused', refusals.length === 0 ? 'none' : refusals.join(', ')],
      ['too late to vote', String(report.tooLate)],
      ['vote to acknowledgement', times(ackMs, 'ms')],
      ['vote to gradient', times(gradientMs, 's')],
      ['events per socket', `${report.eventsPerSocketPerSecond.toFixed(1)} a second`],
      ['reconnections', `${report.reconnects}, of which ${report.caughtUp} were told what they missed`],
      ['before (first steps)', oracleLine(before)],
      ['after (last steps)', oracleLine(after)],
    ]),
    ...(report.ended === null ? [] : [`The session ended: ${report.ended}`]),
    ...(before === null ? ['Fewer than two steps were shown: nothing to compare.'] : []),
  ]
}

/** One line for a log, four for a screen. */
export function progressLines({ phase, elapsed, raters }: Progress): string[] {
  const votes = raters.flatMap((rater) => [...rater.votes])
  const acks = votes.flatMap((vote) => (vote.ackedAt === null ? [] : vote.ackedAt - vote.sentAt))
  const receipts = votes.flatMap((vote) => vote.receipt ?? [])
  const step = latestStep(raters)
  const live = raters.filter((rater) => rater.connected).length
  const gradient = distribution(receipts.map((receipt) => receipt.latencyMs))
  const ack = distribution(acks)
  return table([
    [`${elapsed.toFixed(0)} s`, `${phase}; ${live} of ${raters.length} simulated raters connected; step ${step}`],
    ['votes', `${votes.length} sent, ${acks.length} acknowledged, ${receipts.length} used`],
    ['vote to ack', times(ack, 'ms')],
    ['vote to gradient', times(gradient, 's')],
  ])
}

/** The last step shown to anybody; 0 before the first. */
export const latestStep = (raters: readonly Rater[]): number =>
  maxOf(
    raters.flatMap(({ board }) => [...board.samples.values()].map(({ step }) => step)),
    0,
  )

function times(d: Distribution | null, unit: 'ms' | 's'): string {
  if (d === null) return 'none yet'
  const show = (ms: number) => (unit === 'ms' ? `${ms.toFixed(0)} ms` : `${(ms / 1_000).toFixed(1)} s`)
  return `p50 ${show(d.p50)}, p95 ${show(d.p95)}, p99 ${show(d.p99)}`
}

function oracleLine(view: OracleView | null): string {
  if (view === null) return 'unknown'
  const { compassion, usefulness, readable, samples } = view
  return `oracle compassion ${compassion.toFixed(3)}, usefulness ${usefulness.toFixed(3)}, readable ${(100 * readable).toFixed(0)} % of ${samples} answers`
}

/** Two columns, the first as wide as it needs. */
function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = maxOf(rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)
}
