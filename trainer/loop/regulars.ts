/** Watches the regulars' reliability: a fall of their agreement with the room is the sign of a takeover. */
import { z } from 'zod'
import type { Standing } from '../../core/votes/reliability.ts'
import type { RunWarning } from '../../core/protocol/index.ts'
import { mean } from '../../core/statistics.ts'

/** The state of the watch. Part of a run's checkpoint. */
export const Regulars = z.object({
  /** ρ of everybody who was known, by id, at some of the latest moments, milliseconds; the oldest first. */
  recent: z.array(z.object({ at: z.number(), reliability: z.record(z.string(), z.number()) })),
  /** The room has been warned, and they have not recovered since. */
  warned: z.boolean(),
})
export type Regulars = z.output<typeof Regulars>

export const noRegulars = (): Regulars => ({ recent: [], warned: false })

/** Time over which a fall is measured, and between two moments that are remembered, milliseconds. */
const WATCHED_MS = 4 * 60_000
const APART_MS = 30_000
/** The fall of the mean ρ that raises a warning, and the one below which it may be raised again. */
const ALARM = 0.3
const RECOVERED = 0.15

/**
 * What those who were known at a moment of the last four minutes have lost since, on average. The same people then
 * and now, so that a crowd whose composition changes sets nothing off. Time is that of votes: while nobody
 * votes, none passes.
 *
 * @param at when the latest vote was cast, milliseconds
 */
export function watchRegulars(
  before: Regulars,
  raters: ReadonlyMap<string, Standing>,
  at: number,
): { regulars: Regulars; warnings: Pick<RunWarning, 'kind' | 'message'>[] } {
  const recent = before.recent.filter((then) => at - then.at <= WATCHED_MS)
  const falls = recent.flatMap((then) => {
    const both = Object.entries(then.reliability).flatMap(([id, was]): { was: number; is: number }[] => {
      const now = raters.get(id)
      // Who has come to oppose the largest taste no longer agrees with it, however well with their own.
      return now === undefined ? [] : [{ was, is: now.opposes ? 0 : now.reliability }]
    })
    return both.length === 0
      ? []
      : [{ people: both.length, was: mean(both.map(({ was }) => was)), is: mean(both.map(({ is }) => is)) }]
  })
  const deepest = falls.sort((a, b) => b.was - b.is - (a.was - a.is))[0]!
  const fell = deepest === undefined ? 0 : deepest.was - deepest.is
  const warns = fell >= ALARM && !before.warned
  const reliability = Object.fromEntries(
    [...raters].flatMap(([id, { known, reliability }]) => (known ? [[id, reliability]] : [])),
  )
  const last = recent.at(-1)
  return {
    regulars: {
      recent: last !== undefined && at - last.at < APART_MS ? recent : [...recent, { at, reliability }],
      warned: warns || (before.warned && fell >= RECOVERED),
    },
    warnings: warns ? [{ kind: 'regulars', message: sentence(deepest) }] : [],
  }
}

const sentence = ({ people, was, is }: { people: number; was: number; is: number }): string =>
  `${people === 1 ? 'The one regular rater here no longer agrees' : `The ${people} regular raters no longer agree`} with the votes that come in: reliability fell from ${was.toFixed(2)} to ${is.toFixed(2)} within ${WATCHED_MS / 60_000} minutes. ` +
  'Somebody may be taking the room over: the run’s owner sees in the console who weighs what, and can exclude raters.'
