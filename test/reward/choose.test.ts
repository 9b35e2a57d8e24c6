import { describe, expect, it } from 'vitest'
import { openRandom } from '../../lm/sampling/random.ts'
import { mean, rankCorrelation } from '../../core/statistics.ts'
import { choose } from '../../trainer/reward/choose.ts'
import { FIXED } from '../../trainer/reward/fixed.ts'
import { COMPASSION, RATING, openRewardModel, type RewardVote } from '../../trainer/reward/model.ts'

const WIDTH = 64
/** Answers lie along few directions, as a language model's do, and most of them along the first. */
const DIRECTIONS = 12

function world(seed: number) {
  const random = openRandom(seed)
  const basis = Array.from({ length: DIRECTIONS }, () => Array.from({ length: WIDTH }, () => random.normal()))
  const worth = Array.from({ length: DIRECTIONS }, () => random.normal())
  const draw = () => {
    const along = basis.map((_, k) => random.normal() / (1 + k))
    const features = Float32Array.from({ length: WIDTH }, (_, i) =>
      along.reduce((sum, a, k) => sum + a * basis[k]![i]!, 0.1 * random.normal()),
    )
    const value = 1 / (1 + Math.exp(-along.reduce((sum, a, k) => sum + a * worth[k]!, 0)))
    return { features, value }
  }
  const model = openRewardModel({ ...FIXED, categories: {}, compassionWeight: 0.5 }, WIDTH, 1)
  model.features.fitScale(Array.from({ length: 64 }, () => draw().features))
  return { random, draw, model }
}

/** How well unseen answers are ranked after `steps` steps, of which each shows 2 of 32. */
function learnt(seed: number, steps: number, active: boolean): number {
  const { random, draw, model } = world(seed)
  const votes: RewardVote[] = []
  for (let step = 0; step < steps; step++) {
    const batch = Array.from({ length: 32 }, draw)
    const candidates = batch.map(({ features }, i) => ({ features, prompt: `${step}/${i}` }))
    for (const i of active ? choose(candidates, model, 2) : [0, 1]) {
      const { features, value } = batch[i]!
      const seen = Math.min(1, Math.max(0, value + 0.12 * random.normal()))
      model.features.add(`${step}/${i}`, features)
      votes.push({
        ...{ id: `${step}/${i}`, sampleId: `${step}/${i}`, weight: 1 },
        scores: { [RATING]: seen, [COMPASSION]: seen },
      })
    }
    model.fit(votes)
  }
  const unseen = Array.from({ length: 300 }, draw)
  return (
    rankCorrelation(
      unseen.map(({ value }) => value),
      unseen.map(({ features }) => model.predict(features).mean),
    ) ?? 0
  )
}

describe('the choice of what is shown', () => {
  it('teaches more than chance: over five seeds, 24 chosen answers rank better than 24 at random', () => {
    const seeds = [1, 2, 3, 4, 5]
    const by = (active: boolean) => mean(seeds.map((seed) => learnt(seed, 12, active)))
    expect(by(true)).toBeGreaterThan(by(false) + 0.02)
  })

  it('takes no answer twice, and another prompt before the same one', () => {
    const { draw, model } = world(6)
    const [one, other] = [draw().features, draw().features]
    const found = choose(
      [
        { prompt: 'a', features: one },
        { prompt: 'a', features: one },
        { prompt: 'b', features: other },
      ],
      model,
      5,
    )
    expect([...found].sort()).toEqual([0, 1, 2])
    expect(found.indexOf(2)).toBeLessThan(2)
    expect(choose([], model, 3)).toEqual([])
  })

  it('is the same for the same model and candidates, and takes milliseconds', () => {
    const { draw, model } = world(7)
    const candidates = Array.from({ length: 64 }, (_, i) => ({ prompt: `p${i % 16}`, features: draw().features }))
    const first = choose(candidates, model, 16)
    const began = performance.now()
    expect(choose(candidates, model, 16)).toEqual(first)
    console.log(`16 of 64 chosen in ${(performance.now() - began).toFixed(1)} ms`)
    expect(performance.now() - began).toBeLessThan(200)
  })
})
