/** All coefficients of one category, with intervals. Pure; randomness comes in as a seed. */
import { openRandom } from '../../../lm/sampling/random.ts'
import { coefficientNames, type CoefficientName, type Estimate, type Estimates } from '../../protocol/index.ts'
import { quantile } from '../../statistics.ts'
import { gwetCoefficient } from './gwet.ts'
import { alphaOf, intervalAlpha, squaredDifference } from './krippendorff.ts'
import { tallyOf, type Tally, type Units } from './units.ts'

/** Of a bootstrap: enough for the second digit of an interval's ends. */
const RESAMPLES = 1_000
/** Resamples after which others may go first: some milliseconds' work. */
const AT_ONCE = 25
const TAIL = 0.025
/** An interval needs that a coefficient is defined in this share of the resamples. */
const LEAST_DEFINED = 0.5

/**
 * Coefficients with percentile intervals: answers are drawn with replacement, each with all of its ratings. Resamples in
 * which a coefficient is undefined are left out; there is no interval where that is most of them, or where fewer than
 * two answers have two ratings. Yields now and then, as it takes longer than a server should be silent.
 *
 * Sources: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; for agreement Zapf et al., "Measuring
 * inter-rater reliability for nominal data", BMC Medical Research Methodology 16:93, 2016.
 */
export function* estimatesOf(units: Units, seed: number): Generator<void, Estimates> {
  const whole = tallyOf(units)
  const values = valuesOf(whole)
  const drawn = whole.paired < 2 ? [] : yield* resamples(units, seed)
  const of = (name: CoefficientName): Estimate => {
    const value = values[name] ?? null
    const found = drawn.flatMap((one) => one[name] ?? [])
    const known = value !== null && found.length > 0 && found.length >= LEAST_DEFINED * drawn.length
    return { value, interval: known ? { low: quantile(found, TAIL), high: quantile(found, 1 - TAIL) } : null }
  }
  return Object.fromEntries(coefficientNames.map((name) => [name, of(name)])) as Estimates
}

type Values = Record<CoefficientName, number | undefined>

function* resamples(units: Units, seed: number): Generator<void, Values[]> {
  const { uniform } = openRandom(seed)
  const count = units.answers.length
  const answers = new Int32Array(count)
  const drawn: Values[] = []
  while (drawn.length < RESAMPLES) {
    for (let i = 0; i < count; i++) answers[i] = Math.floor(uniform() * count)
    drawn.push(valuesOf(tallyOf(units, answers)))
    if (drawn.length % AT_ONCE === 0) yield
  }
  return drawn
}

/** The coefficients alone. Alpha by intervals reads raw values, everything else points. */
export function valuesOf(tally: Tally): Values {
  const { coincidences, counts, moments } = tally
  const alpha = (metric: 'nominal' | 'ordinal'): number | undefined =>
    alphaOf(coincidences, counts, squaredDifference(metric, counts, counts))
  return {
    alphaNominal: alpha('nominal'),
    alphaOrdinal: alpha('ordinal'),
    alphaInterval: intervalAlpha(moments),
    ac1: gwetCoefficient(tally, 'identity'),
    ac2Ordinal: gwetCoefficient(tally, 'ordinal'),
    ac2Linear: gwetCoefficient(tally, 'linear'),
    ac2Quadratic: gwetCoefficient(tally, 'quadratic'),
  }
}
