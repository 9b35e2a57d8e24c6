import fc from 'fast-check'
import { expect, it } from 'vitest'
import { klBrake } from '../../trainer/rl/schedule.ts'

it('lets the whole learning rate through below half the ceiling and none of it from the ceiling on', () => {
  expect([0, 2.5, 3.75, 5, 9].map((kl) => klBrake(kl, 5))).toEqual([1, 1, 0.5, 0, 0])
  expect(klBrake(100, 0)).toBe(1)
})

it('never lets more through at a greater KL', () => {
  const kl = fc.double({ min: -10, max: 100, noNaN: true })
  fc.assert(fc.property(kl, kl, fc.double({ min: 0.1, max: 50, noNaN: true }), (a, b, ceiling) => klBrake(Math.max(a, b), ceiling) <= klBrake(Math.min(a, b), ceiling)))
})
