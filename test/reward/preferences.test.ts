import { describe, expect, it } from 'vitest'
import { openRandom } from '../../lm/sampling/random.ts'
import { COMPASSION, RATING, openRewardModel } from '../../trainer/reward/model.ts'
import { FIXED } from '../../trainer/reward/fixed.ts'
import { logit } from '../../trainer/reward/examples.ts'
import { preferencesOf, type RatersVote } from '../../trainer/reward/preferences.ts'
import { mean, rankCorrelation } from '../../core/statistics.ts'

const vote = (over: Partial<RatersVote> & Pick<RatersVote, 'sampleId'>): RatersVote => ({
  ...{ id: `${over.raterId ?? 'anna'}/${over.sampleId}`, raterId: 'anna', prompt: 'p', weight: 0.8 },
  ...{ scores: { [RATING]: 0.6, [COMPASSION]: 0.7 } },
  ...over,
})

describe('preferences', () => {
  it('are made of one rater’s ratings of different answers to one prompt, and of nothing else', () => {
    const { preferences } = preferencesOf([
      vote({ sampleId: 'a', scores: { [RATING]: 0.8, [COMPASSION]: 0.5 } }),
      vote({ sampleId: 'b', scores: { [RATING]: 0.3 } }),
      vote({ sampleId: 'c', prompt: 'another' }),
      vote({ sampleId: 'b', raterId: 'ben' }),
    ])
    expect(preferences).toHaveLength(1)
    const { sampleA, sampleB, differences } = preferences[0]!
    expect([sampleA, sampleB]).toEqual(['a', 'b'])
    expect(differences).toEqual({ [RATING]: logit(0.8) - logit(0.3) })
  })

  it('leave a rating that stands alone as it is', () => {
    const { votes, preferences } = preferencesOf([vote({ sampleId: 'a' })])
    expect(preferences).toEqual([])
    expect(votes[0]!.weight).toBeCloseTo(0.8, 12)
  })

  it('count a rater’s k ratings of a prompt as k - 1 differences and one level, and nothing twice', () => {
    for (const k of [2, 3, 8]) {
      const given = Array.from({ length: k }, (_, i) => vote({ sampleId: `s${i}` }))
      const { votes, preferences } = preferencesOf(given)
      expect(preferences).toHaveLength((k * (k - 1)) / 2)
      // Precision `a I + p (k I - 11ᵀ)`: a of the level, a + k p of each of k - 1 differences.
      const [a, p] = [votes[0]!.weight, preferences[0]!.weight]
      const eta = 0.5
      expect(a + k * p).toBeCloseTo(0.8 * (1 + eta), 12)
      // The level of the k is known as from a mean of k noisy ratings with one common leniency.
      expect(1 / (a * k)).toBeCloseTo((1 / k + eta) / (0.8 * (1 + eta)), 12)
    }
  })

  it('never grow as the square of what one rater says of one prompt', () => {
    const many = Array.from({ length: 1_000 }, (_, i) => vote({ sampleId: `s${i}` }))
    expect(preferencesOf(many).preferences.length).toBeLessThan(4_000)
  })

  it('take leniency out: raters whose levels differ teach the order that they agree on', () => {
    const width = 16
    const order = (paired: boolean): number => {
      const random = openRandom(4)
      const direction = Array.from({ length: width }, () => random.normal())
      const model = openRewardModel({ ...FIXED, categories: {}, compassionWeight: 0.5 }, width, 1)
      const draw = () => Float32Array.from({ length: width }, () => random.normal())
      model.features.fitScale(Array.from({ length: 64 }, draw))
      const worth = (x: Float32Array): number => x.reduce((sum, v, i) => sum + (v * direction[i]!) / width, 0)
      const votes = Array.from({ length: 60 }, (_, i): RatersVote => {
        const x = draw()
        model.features.add(`s${i}`, x)
        const rater = Math.floor(i / 4) % 15
        // Some raters give everything a 2, others a 9, and all of them see the same differences.
        const level = rater % 2 === 0 ? -1.5 : 1.5
        const seen = 1 / (1 + Math.exp(-(level + 2 * worth(x))))
        return vote({
          ...{ sampleId: `s${i}`, raterId: `r${rater}`, prompt: `p${Math.floor(i / 4)}`, weight: 1 },
          scores: { [RATING]: seen, [COMPASSION]: seen },
        })
      })
      const { votes: kept, preferences } = preferencesOf(votes)
      if (paired) model.fit(kept, preferences)
      else model.fit(votes)
      const unseen = Array.from({ length: 200 }, draw)
      return (
        rankCorrelation(
          unseen.map(worth),
          unseen.map((x) => model.predict(x).mean),
        ) ?? 0
      )
    }
    expect(order(true)).toBeGreaterThan(order(false) + 0.05)
  })

  it('that are outcomes alone come to Bradley and Terry’s exact minimum', () => {
    const random = openRandom(5)
    const width = 4
    const model = openRewardModel({ ...FIXED, categories: {}, compassionWeight: 0 }, width, 1)
    const draw = () => Float32Array.from({ length: width }, () => random.normal())
    const inputs = Array.from({ length: 12 }, draw)
    model.features.fitScale(inputs)
    inputs.forEach((x, i) => model.features.add(`s${i}`, x))
    const pairs = Array.from({ length: 30 }, (_, i) => {
      const [a, b] = [i % 12, (5 * i + 1) % 12]
      return { a, b, outcome: inputs[a]![0]! > inputs[b]![0]! ? 1 : 0 }
    }).filter(({ a, b }) => a !== b)
    model.fit(
      [],
      pairs.map(({ a, b, outcome }, i) => ({ id: `p${i}`, sampleA: `s${a}`, sampleB: `s${b}`, outcome, weight: 1 })),
    )
    // Plain gradient descent on the same loss.
    const xs = inputs.map((x) => model.features.standardise(x))
    let w = new Array<number>(width + 1).fill(0)
    for (let step = 0; step < 20_000; step++) {
      const gradient = w.map((x) => x)
      for (const { a, b, outcome } of pairs) {
        const d = xs[a]!.map((x, i) => x - xs[b]![i]!)
        const p = 1 / (1 + Math.exp(-d.reduce((sum, x, i) => sum + x * w[i]!, 0)))
        d.forEach((x, i) => (gradient[i]! += (p - outcome) * x))
      }
      w = w.map((x, i) => x - 0.05 * gradient[i]!)
    }
    const errors = inputs.map((x, i) => {
      const found = logit(model.predict(x).heads[RATING]!.mean)
      const exact = xs[i]!.reduce((sum, v, k) => sum + v * w[k]!, 0)
      return Math.abs(found - exact) / Math.max(0.3, Math.abs(exact))
    })
    // A prediction is a little nearer to one half than the logit's mode, for what is not known of it.
    expect(mean(errors)).toBeLessThan(0.25)
  })
})
