/**
 * Which of a run's evaluated weights may be shown. Pure.
 *
 * The reward model learns during a run, so values that it gave at different times do not compare. Each evaluation is
 * therefore compared with the best one before it by one and the same reward model, prompt by prompt
 * (evaluate.ts): `difference` is the mean over prompts of its answer's value less the best one's, `error` the standard
 * error of that mean. It regresses if it is worse beyond chance by more than the tolerance,
 *
 *     -difference - 1.645 · error > tolerance,
 *
 * one-sided at 5 %. The comparison is with the best and not with the one before, so a run can't slide by small steps.
 */

/** An evaluation beside the best one before it. */
export interface Compared {
  /** Of the best one. */
  step: number
  difference: number
  error: number
}

export interface Evaluated {
  step: number
  /** null: there is none before it. */
  against: Compared | null
}

export interface GateSettings {
  gate: boolean
  tolerance: number
}

export interface Verdict {
  /** Whether the last evaluation regresses. */
  regressed: boolean
  /**
   * The last evaluated step: the run's current weights answer until the next evaluation. An earlier one, behind the
   * gate: the weights of that step do, the last that did not regress.
   */
  shows: number
  /** For the run's warning; null: it has not regressed. */
  warning: string | null
}

/** The 95 % quantile of the normal distribution. */
const Z = 1.645

export const regresses = ({ against }: Evaluated, tolerance: number): boolean =>
  against !== null && -against.difference - Z * against.error > tolerance

/** @param history of a run, oldest first, at least one evaluation */
export function gate(history: readonly Evaluated[], { gate, tolerance }: GateSettings): Verdict {
  const last = history.at(-1)
  if (last === undefined) throw new RangeError('a run without evaluations has nothing to gate')
  const regressed = regresses(last, tolerance)
  // The first evaluation has nothing to regress from, so there is one unless the history was cut.
  const good = history.findLast((evaluation) => !regresses(evaluation, tolerance))
  const shows = gate && good !== undefined ? good.step : last.step
  return { regressed, shows, warning: regressed ? warningOf(last, { gate, shows }) : null }
}

function warningOf({ step, against }: Evaluated, { gate, shows }: { gate: boolean; shows: number }): string {
  const { difference, error, step: best } = against!
  const found = `On prompts that the run does not train on, the answers of step ${step} are worth ${(-difference).toFixed(3)} ± ${error.toFixed(3)} less than those of step ${best}.`
  return gate
    ? `${found} Until an evaluation is good again, the weights of step ${shows} answer.`
    : `${found} They are shown all the same, since evaluation.gate is off.`
}
