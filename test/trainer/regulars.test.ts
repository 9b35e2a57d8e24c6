import { expect, it } from 'vitest'
import type { Standing } from '../../core/votes/reliability.ts'
import { noRegulars, watchRegulars, type Regulars } from '../../trainer/loop/regulars.ts'

const room = (rho: Record<string, number>): ReadonlyMap<string, Standing> =>
  new Map(
    Object.entries(rho).map(([id, reliability]) => [
      id,
      { reliability, comparable: 40, weight: reliability, known: reliability >= 0.3 },
    ]),
  )

/** The steps at which a room whose regulars have these ρ, step by step, is warned. */
function warnedAt(steps: readonly Record<string, number>[]): number[] {
  let state: Regulars = noRegulars()
  return steps.flatMap((rho, i) => {
    const { regulars, warnings } = watchRegulars(state, room(rho))
    // As a checkpoint keeps it.
    state = JSON.parse(JSON.stringify(regulars)) as Regulars
    return warnings.length > 0 ? [i + 1] : []
  })
}
const all = (rho: number) => ({ a: rho, b: rho, c: rho })

it('the room is warned, once, when the regulars’ mean ρ falls by 0.3 within three steps', () => {
  expect(warnedAt([0.9, 0.85, 0.7, 0.58, 0.3, 0.1].map(all))).toEqual([4])
  expect(warnedAt([0.9, 0.55].map(all))).toEqual([2])
  expect(
    watchRegulars({ recent: [{ a: 0.9, b: 0.8 }], warned: false }, room({ a: 0.2, b: 0.4 })).warnings[0]!.message,
  ).toMatch(
    /^The 2 regular raters no longer agree with the votes that come in: reliability fell from 0\.85 to 0\.30 within 3 steps\. .* can exclude raters\.$/,
  )
})

it('is not warned of a slow fall, of one rater among many, or of adversaries who become known', () => {
  expect(warnedAt([0.9, 0.82, 0.74, 0.66, 0.58, 0.5].map(all))).toEqual([])
  expect(
    warnedAt([
      { ...all(0.9), d: 0.9 },
      { ...all(0.9), d: 0 },
    ]),
  ).toEqual([])
  expect(warnedAt([all(0.9), { ...all(0.9), x: 0, y: 0, z: 0 }, { ...all(0.88), x: 0, y: 0, z: 0 }])).toEqual([])
})

it('is warned again of another fall, after they have recovered', () => {
  expect(warnedAt([0.9, 0.5, 0.5, 0.5, 0.5, 0.9, 0.5].map(all))).toEqual([2, 7])
})
