/** Counts steps that had votes but changed nothing, and decides when to warn. Pure. */
import type { RunWarning } from '../../core/protocol/index.ts'

/** Warns at the first such step in a row and at every so many after it: about once a minute, at a step a second. */
const SAID_EVERY = 60

/** The number of such steps in a row after one more step. A step without votes neither counts nor ends the row. */
export function idleSteps(before: number, { changed, votes }: { changed: boolean; votes: number }): number {
  if (changed) return 0
  return votes > 0 ? before + 1 : before
}

/** The warning of the `idle`-th such step in a row. */
export function idleWarning(
  idle: number,
  { votes, metrics }: { votes: number; metrics: { gradientNorm: number; learningRate: number } },
): Pick<RunWarning, 'kind' | 'message'>[] {
  if (votes === 0 || idle % SAID_EVERY !== 1) return []
  const row = idle === 1 ? '' : ` So did the ${idle - 1} steps before it.`
  return [
    {
      kind: 'no-update',
      message: `This step changed nothing: the model is as it was, and the receipts of its ${votes === 1 ? 'vote say' : `${votes} votes say`} so.${row} ${reasonOf(metrics)}`,
    },
  ]
}

function reasonOf({ gradientNorm, learningRate }: { gradientNorm: number; learningRate: number }): string {
  if (gradientNorm === 0) return 'No answer of the step was better than another by its reward.'
  return `The learning rate, ${learningRate.toPrecision(2)}, is too low for the precision of the weights: start a run with a higher one.`
}
