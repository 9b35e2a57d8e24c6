import fc from 'fast-check'
import { expect, test } from 'vitest'
import { splitPrompts } from '../../trainer/evaluation/held-out.ts'

const prompts = fc.array(fc.record({ prompt: fc.string({ minLength: 1 }) }), { minLength: 1, maxLength: 60 })
const share = fc.double({ min: 0, max: 1, noNaN: true })
const many = Array.from({ length: 800 }, (_, i) => ({ prompt: `prompt ${i}` }))

test('every prompt is on one side, by its text alone, and one at least is trained on', () => {
  fc.assert(
    fc.property(prompts, share, (given, share) => {
      const { training, heldOut } = splitPrompts(given, share)
      const held = new Set(heldOut)
      expect(held.size).toBe(heldOut.length)
      expect(training).toEqual(given.filter(({ prompt }) => !held.has(prompt)))
      expect(training.length).toBeGreaterThan(0)
      expect(heldOut.length).toBeLessThanOrEqual(share * new Set(given.map(({ prompt }) => prompt)).size)
    }),
  )
})

test('the file’s order does not matter, and a greater share holds out what a smaller one does', () => {
  fc.assert(
    fc.property(prompts, share, share, (given, a, b) => {
      const [less, more] = [Math.min(a, b), Math.max(a, b)].map((share) => splitPrompts(given, share).heldOut)
      expect(splitPrompts([...given].reverse(), Math.min(a, b)).heldOut).toEqual(less)
      expect(more!.slice(0, less!.length)).toEqual(less)
    }),
  )
})

test('of fewer prompts than one share none is held out', () => {
  expect(splitPrompts(many.slice(0, 9), 0.1).heldOut).toEqual([])
  expect(splitPrompts(many.slice(0, 10), 0.1).heldOut).toHaveLength(1)
  expect(splitPrompts(many, 0).heldOut).toEqual([])
  expect(splitPrompts(many, 0.1).heldOut).toHaveLength(80)
  expect(splitPrompts(many.slice(0, 3), 1).training).toHaveLength(1)
})

test('which are held out never changes between versions: runs could no longer be compared', () => {
  expect(splitPrompts(many, 0.1).heldOut.slice(0, 4)).toMatchInlineSnapshot(`
    [
      "prompt 199",
      "prompt 765",
      "prompt 222",
      "prompt 473",
    ]
  `)
})
