/** Watches the regulars' reliability: a fall of their agreement with the room is the sign of a takeover. */
import type { Standing } from '../../core/votes/reliability.ts'
import type { RunWarning } from '../../core/protocol/index.ts'
import { mean } from '../../core/statistics.ts'

/** The state of the watch. Part of a run's checkpoint. */
export interface Regulars {
  /** ρ of every rater who was known after each of the latest steps, by id; oldest step first. */
  recent: Readonly<Record<string, number>>[]
  /** The room has been warned, and they have not recovered since. */
  warned: boolean
}

export const noRegulars = (): Regulars => ({ recent: [], warned: false })

/** Steps over which a fall is measured. */
const STEPS = 3
/** The fall of the mean ρ that raises a warning, and the one below which it may be raised again. */
const ALARM = 0.3
const RECOVERED = 0.15

/**
 * After a step: what those who were known in one of the three steps before have lost since, on average. The
 * same people then and now, so that a crowd whose composition changes sets nothing off.
 */
export function watchRegulars(
  before: Regulars,
  raters: ReadonlyMap<string, Standing>,
): { regulars: Regulars; warnings: Pick<RunWarning, 'kind' | 'message'>[] } {
  const falls = before.recent.flatMap((then) => {
    const both = Object.entries(then).flatMap(([id, was]): { was: number; is: number }[] => {
      const now = raters.get(id)
      return now === undefined ? [] : [{ was, is: now.reliability }]
    })
    return both.length === 0
      ? []
      : [{ people: both.length, was: mean(both.map(({ was }) => was)), is: mean(both.map(({ is }) => is)) }]
  })
  const deepest = falls.sort((a, b) => b.was - b.is - (a.was - a.is))[0]!
  const fell = deepest === undefined ? 0 : deepest.was - deepest.is
  const warns = fell >= ALARM && !before.warned
  const known = Object.fromEntries(
    [...raters].flatMap(([id, { known, reliability }]) => (known ? [[id, reliability]] : [])),
  )
  return {
    regulars: {
      recent: [...before.recent, known].slice(-STEPS),
      warned: warns || (before.warned && fell >= RECOVERED),
    },
    warnings: warns ? [{ kind: 'regulars', message: sentence(deepest) }] : [],
  }
}

const sentence = ({ people, was, is }: { people: number; was: number; is: number }): string =>
  `${people === 1 ? 'The one regular rater here no longer agrees' : `The ${people} regular raters no longer agree`} with the votes that come in: reliability fell from ${was.toFixed(2)} to ${is.toFixed(2)} within ${STEPS} steps. ` +
  'Somebody may be taking the room over: the run’s owner sees in the console who weighs what, and can exclude raters.'
