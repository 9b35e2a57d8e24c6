import fc from 'fast-check'
import { expect, it } from 'vitest'
import { bleu, rougeL } from '../../lm/text/text-metrics.ts'

const words = fc
  .array(fc.constantFrom('the', 'cat', 'sat', 'on', 'a', 'mat', 'today'), { maxLength: 12 })
  .map((list) => list.join(' '))

it('worked examples', () => {
  // ROUGE-L: "police the gunman" is common to both: 3 of 4 and 4 words.
  expect(rougeL('Police ended the gunman.', 'police killed the gunman')).toBeCloseTo(6 / 8, 12)
  // BLEU: 5 of 6 words; 3 of 5 pairs, 1 of 4 triples, 0 of 3 quadruples, each one up.
  expect(bleu('the cat sat on a mat', 'the cat sat on the mat')).toBeCloseTo(
    ((5 / 6) * (4 / 6) * (3 / 5) * (2 / 4)) ** (1 / 4),
    12,
  )
  // Half as long as the reference: exp(1 - 2).
  expect(bleu('the cat', 'the cat sat on')).toBeCloseTo(Math.exp(-1), 12)
})

it('both are in [0, 1], 1 for the reference itself, 0 for nothing in common', () => {
  fc.assert(
    fc.property(words, words, (answer, reference) => {
      for (const score of [bleu(answer, reference), rougeL(answer, reference)]) {
        expect(score).toBeGreaterThanOrEqual(0)
        expect(score).toBeLessThanOrEqual(1)
      }
      if (answer === '') return
      expect(bleu(answer, answer)).toBeCloseTo(1, 12)
      expect(rougeL(answer, answer)).toBe(1)
      expect([bleu(answer, 'xyzzy'), rougeL(answer, 'xyzzy')]).toEqual([0, 0])
    }),
  )
})
