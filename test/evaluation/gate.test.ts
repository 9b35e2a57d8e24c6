import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openRandom } from '../../lm/sampling/random.ts'
import { gate, regresses, type Evaluated } from '../../trainer/evaluation/gate.ts'

const first: Evaluated = { step: 0, against: null }
const at = (step: number, difference: number, error = 0.01, best = 0): Evaluated => ({
  step,
  against: { step: best, difference, error },
})
const closed = { gate: true, tolerance: 0.02 }
const open = { ...closed, gate: false }

test('what is worse by no more than chance and tolerance is shown', () => {
  expect(gate([first], closed)).toEqual({ regressed: false, shows: 0, warning: null })
  expect(gate([first, at(20, -0.03)], closed)).toEqual({ regressed: false, shows: 20, warning: null })
  expect(gate([first, at(20, -0.3, 0.2)], closed)).toMatchObject({ regressed: false, shows: 20 })
})

test('what regresses is not shown while the gate is on: the last good weights answer, and the run says so', () => {
  const history = [first, at(20, 0.1), at(40, -0.01, 0.01, 20), at(60, -0.08, 0.02, 20)]
  expect(gate(history, closed)).toEqual({
    regressed: true,
    shows: 40,
    warning:
      'On prompts that the run does not train on, the answers of step 60 are worth 0.080 ± 0.020 less than those of step 20. Until an evaluation is good again, the weights of step 40 answer.',
  })
  expect(gate(history, open)).toEqual({
    regressed: true,
    shows: 60,
    warning:
      'On prompts that the run does not train on, the answers of step 60 are worth 0.080 ± 0.020 less than those of step 20. They are shown all the same, since evaluation.gate is off.',
  })
  expect(gate([...history, at(80, -0.08, 0.02, 20)], closed).shows).toBe(40)
  expect(gate([...history, at(80, 0, 0.02, 20)], closed)).toMatchObject({ regressed: false, shows: 80 })
})

test('behind the gate nothing that regresses is ever shown, whatever happened before', () => {
  const steps = fc.array(
    fc.tuple(fc.double({ min: -0.2, max: 0.2, noNaN: true }), fc.double({ min: 0, max: 0.1, noNaN: true })),
  )
  fc.assert(
    fc.property(steps, (steps) => {
      const history = [first, ...steps.map(([difference, error], i) => at(20 * (i + 1), difference, error))]
      const { shows } = gate(history, closed)
      expect(
        regresses(
          history.find(({ step }) => step === shows)!,
          closed.tolerance,
        ),
      ).toBe(false)
      expect(gate(history, open).shows).toBe(history.at(-1)!.step)
    }),
  )
})

test('equal weights are called a regression once in twenty evaluations at most, without any tolerance', () => {
  const random = openRandom(7)
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform())
  const trials = 20_000
  const count = Array.from({ length: trials }, () => at(20, 0.05 * normal(), 0.05)).filter((e) =>
    regresses(e, 0),
  ).length
  expect(count / trials).toBeGreaterThan(0.04)
  expect(count / trials).toBeLessThan(0.06)
})
