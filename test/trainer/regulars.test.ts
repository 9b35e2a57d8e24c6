import { expect, it } from 'vitest'
import type { Standing } from '../../core/votes/reliability.ts'
import { noRegulars, watchRegulars, type Regulars } from '../../trainer/loop/regulars.ts'

const MINUTE = 60_000
const room = (rho: Record<string, number>): ReadonlyMap<string, Standing> =>
  new Map(
    Object.entries(rho).map(([id, reliability]) => [
      id,
      { reliability, comparable: 40, weight: reliability, known: reliability >= 0.3, taste: 0, opposes: false },
    ]),
  )

/** The minutes after which a room whose regulars have these ρ, minute by minute, is warned. */
function warnedAt(minutes: readonly Record<string, number>[]): number[] {
  let state: Regulars = noRegulars()
  return minutes.flatMap((rho, i) => {
    const { regulars, warnings } = watchRegulars(state, room(rho), i * MINUTE)
    // As a checkpoint keeps it.
    state = JSON.parse(JSON.stringify(regulars)) as Regulars
    return warnings.length > 0 ? [i + 1] : []
  })
}
const all = (rho: number) => ({ a: rho, b: rho, c: rho })

it('the room is warned, once, when the regulars’ mean ρ falls by 0.3 within four minutes', () => {
  expect(warnedAt([0.9, 0.85, 0.7, 0.65, 0.58, 0.3, 0.1].map(all))).toEqual([5])
  expect(warnedAt([0.9, 0.55].map(all))).toEqual([2])
  expect(
    watchRegulars(
      { recent: [{ at: 0, reliability: { a: 0.9, b: 0.8 } }], warned: false },
      room({ a: 0.2, b: 0.4 }),
      MINUTE,
    ).warnings[0]!.message,
  ).toMatch(
    /^The 2 regular raters no longer agree with the votes that come in: reliability fell from 0\.85 to 0\.30 within 4 minutes\. .* can exclude raters\.$/,
  )
})

it('is not warned of a slow fall, of one rater among many, or of adversaries who become known', () => {
  expect(warnedAt([0.9, 0.85, 0.78, 0.72, 0.66, 0.6, 0.53].map(all))).toEqual([])
  expect(
    warnedAt([
      { ...all(0.9), d: 0.9 },
      { ...all(0.9), d: 0 },
    ]),
  ).toEqual([])
  expect(warnedAt([all(0.9), { ...all(0.9), x: 0, y: 0, z: 0 }, { ...all(0.88), x: 0, y: 0, z: 0 }])).toEqual([])
})

it('is warned again of another fall, after they have recovered', () => {
  expect(warnedAt([0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 0.5].map(all))).toEqual([2, 8])
})

it('steps are nothing to it: a moment is remembered twice a minute, however often it looks', () => {
  let state: Regulars = noRegulars()
  for (let second = 0; second < 600; second++) state = watchRegulars(state, room(all(0.9)), 1_000 * second).regulars
  expect(state.recent.length).toBeLessThanOrEqual(9)
  expect(watchRegulars(state, room(all(0.5)), 600_000).warnings).toHaveLength(1)
})

it('the room is warned where its regulars come to be the ones who oppose it, however well they agree with each other', () => {
  const { regulars } = watchRegulars(noRegulars(), room(all(0.9)), 0)
  const turned = new Map([...room(all(0.9))].map(([id, standing]) => [id, { ...standing, taste: 1, opposes: true }]))
  expect(watchRegulars(regulars, turned, MINUTE).warnings).toHaveLength(1)
})
