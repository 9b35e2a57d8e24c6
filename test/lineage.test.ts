import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { lineage, type Rollback } from '../core/lineage.ts'

const stepsOf = (step: number, rollbacks: readonly Rollback[], first?: number): number[] =>
  lineage(step, rollbacks, first).flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, i) => first + i),
  )

describe('the steps behind a run’s weights', () => {
  test.each<[string, number, Rollback[], [number, number][]]>([
    ['never taken back', 5, [], [[1, 5]]],
    [
      'taken back',
      52,
      [{ at: 50, to: 30 }],
      [
        [1, 30],
        [51, 52],
      ],
    ],
    ['taken back, at the step itself', 30, [{ at: 50, to: 30 }], [[1, 30]]],
    [
      'taken back, and forth again',
      61,
      [
        { at: 50, to: 30 },
        { at: 60, to: 40 },
      ],
      [
        [1, 40],
        [61, 61],
      ],
    ],
    [
      'taken back twice',
      61,
      [
        { at: 50, to: 30 },
        { at: 60, to: 52 },
      ],
      [
        [1, 30],
        [51, 52],
        [61, 61],
      ],
    ],
    [
      'taken back again before its next step',
      51,
      [
        { at: 50, to: 30 },
        { at: 50, to: 20 },
      ],
      [
        [1, 20],
        [51, 51],
      ],
    ],
    ['at a step that is set aside', 45, [{ at: 50, to: 30 }], [[1, 45]]],
  ])('of one %s', (_, step, rollbacks, stretches) => {
    expect(lineage(step, rollbacks)).toEqual(stretches.map(([first, last]) => ({ first, last })))
  })

  test('of a branch begin after its origin', () => {
    expect(lineage(43, [], 41)).toEqual([{ first: 41, last: 43 }])
    expect(lineage(40, [], 41)).toEqual([])
  })

  test('are those that a run that was followed step by step went through', () => {
    const acts = fc.array(fc.oneof(fc.constant(null), fc.nat(40)), { maxLength: 40 })
    fc.assert(
      fc.property(acts, (acts) => {
        const rollbacks: Rollback[] = []
        const before = new Map<number, number[]>()
        let [last, weights] = [0, [] as number[]]
        for (const back of acts) {
          if (back === null) {
            weights = [...weights, ++last]
            before.set(last, weights)
          } else if (back > 0 && back < last) {
            rollbacks.push({ at: last, to: back })
            weights = before.get(back)!
          }
        }
        for (const [step, path] of before) expect(stepsOf(step, rollbacks)).toEqual(path)
      }),
    )
  })
})
