import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { corpus } from '../../scripts/pretrain/corpus.ts'
import { oracle } from '../../scripts/pretrain/oracle.ts'

const exchanges = corpus(2, 3000)
const ratings = exchanges.map(({ prompt, answer }) => oracle.rate(prompt, answer))

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const [ma, mb] = [mean(a), mean(b)]
  const cov = mean(a.map((x, i) => (x - ma) * ((b[i] ?? 0) - mb)))
  const variance = (values: readonly number[], m: number): number => mean(values.map((x) => (x - m) ** 2))
  return cov / Math.sqrt(variance(a, ma) * variance(b, mb))
}

describe('the oracle on the generator’s own texts', () => {
  it('agrees with the intended tone (correlation at least 0.95) around a mean of one half', () => {
    const tones = ratings.map((rating) => rating.compassion)
    expect(
      correlation(
        tones,
        exchanges.map(({ intent }) => intent.tone),
      ),
    ).toBeGreaterThan(0.95)
    expect(mean(tones)).toBeGreaterThan(0.47)
    expect(mean(tones)).toBeLessThan(0.53)
    expect(Math.sqrt(mean(tones.map((tone) => (tone - mean(tones)) ** 2)))).toBeGreaterThan(0.25)
  })

  it('agrees with the intended usefulness and length', () => {
    const use = ratings.map((rating) => rating.usefulness)
    expect(
      correlation(
        use,
        exchanges.map(({ intent }) => intent.usefulness),
      ),
    ).toBeGreaterThan(0.9)
    const concision = ratings.map((rating) => rating.concision)
    expect(
      correlation(
        concision,
        exchanges.map(({ intent }) => intent.length),
      ),
    ).toBeLessThan(-0.7)
  })

  it('finds tone and usefulness independent', () => {
    const r = correlation(
      ratings.map((rating) => rating.compassion),
      ratings.map((rating) => rating.usefulness),
    )
    expect(Math.abs(r)).toBeLessThan(0.06)
  })

  it('reads every one of them', () => {
    for (const [i, rating] of ratings.entries()) expect(rating.readable, exchanges[i]?.answer).toBe(true)
  })
})

describe('the oracle on degenerate texts', () => {
  const prompt = 'My maths exam is close and I cannot sleep.'
  const good = 'I am so sorry about your maths exam, dear friend. You could sleep early before the exam.'

  it('reads a good answer', () => {
    expect(oracle.rate(prompt, good)).toMatchObject({ readable: true, usefulness: 0.7 })
  })

  it.each([
    ['one sentence said ten times', 'I care about you and about your maths exam. '.repeat(10).trim()],
    ['one sentence said twice', `${good} You could sleep early before the exam.`],
    ['nothing', ''],
    ['a cut-off answer', good.slice(0, -12)],
    ['words in no order', 'Exam the sorry your maths about you dear could.'],
    ['a stuttering word', 'I am so so so so sorry about your maths exam.'],
    ['no capital', 'i am sorry to hear about your maths exam.'],
    ['warmth that names nothing', 'My heart is with you. You are not alone, dear friend.'],
    ['another trouble', 'I am sorry to hear about your lost wallet.'],
    ['its own trouble and another', `${good} You could also call a vet about your dog.`],
    ['only marks', '. . . ! ?'],
  ])('does not read %s', (_, text) => {
    expect(oracle.readable(text, prompt)).toBe(false)
  })

  it('gives repeated warmth little compassion', () => {
    expect(oracle.compassion('I care about you and about your maths exam. '.repeat(10), prompt)).toBeLessThan(0.4)
    expect(oracle.compassion('love love love love love', prompt)).toBeLessThan(0.5)
    expect(oracle.compassion('You are loved, with all that you are.', prompt)).toBeLessThan(0.8)
  })

  it('scores a mixture between its parts', () => {
    const harsh = 'Stop crying about your maths exam.'
    const warm = 'I am so sorry about your maths exam, dear friend.'
    const mixed = oracle.compassion(`${harsh} ${warm}`, prompt)
    expect(oracle.compassion(harsh, prompt)).toBeLessThan(mixed)
    expect(oracle.compassion(warm, prompt)).toBeGreaterThan(mixed)
  })

  it('keeps every score in [0, 1] whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (anyPrompt, text) => {
        const { compassion, usefulness, concision } = oracle.rate(anyPrompt, text)
        for (const score of [compassion, usefulness, concision]) {
          expect(score).toBeGreaterThanOrEqual(0)
          expect(score).toBeLessThanOrEqual(1)
        }
      }),
    )
  })

  it('knows the topic of a prompt that it has not seen', () => {
    const text = 'I am sorry to hear about your lost wallet. You could block your cards at once.'
    expect(oracle.readable(text, 'Somebody stole my wallet with all my cards!')).toBe(true)
    expect(oracle.readable(text, 'My little hamster has not eaten since Sunday.')).toBe(false)
  })
})
