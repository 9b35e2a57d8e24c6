import { describe, expect, it } from 'vitest'
import { openRandom } from '../../lm/sampling/random.ts'
import { mean } from '../../core/statistics.ts'
import { choose } from '../../trainer/reward/choose.ts'
import { FIXED } from '../../trainer/reward/fixed.ts'
import { COMPASSION, RATING, openRewardModel, type RewardVote } from '../../trainer/reward/model.ts'

const WIDTH = 64
/** Answers lie along few directions, as a language model's do, and most of them along the first. */
const DIRECTIONS = 12
/** What decides among good answers says nothing of poor ones, and the other way round: no one line fits all. */

function world(seed: number) {
  const random = openRandom(seed)
  const basis = Array.from({ length: DIRECTIONS }, () => Array.from({ length: WIDTH }, () => random.normal()))
  const [worth, among, below] = [1, 2, 3].map(() => Array.from({ length: DIRECTIONS }, () => random.normal()))
  const draw = () => {
    const along = basis.map((_, k) => random.normal() / (1 + k))
    const features = Float32Array.from({ length: WIDTH }, (_, i) =>
      along.reduce((sum, a, k) => sum + a * basis[k]![i]!, 0.1 * random.normal()),
    )
    const at = (by: readonly number[]) => along.reduce((sum, a, k) => sum + a * by[k]!, 0)
    const first = at(worth!)
    const value = 1 / (1 + Math.exp(-first - (first > 0.5 ? 1.5 * at(among!) : at(below!))))
    return { features, value }
  }
  const model = openRewardModel({ ...FIXED, categories: {}, compassionWeight: 0.5 }, WIDTH, 1)
  model.features.fitScale(Array.from({ length: 64 }, () => draw().features))
  return { random, draw, model }
}

/** What the answers are worth, of eight each, that are held to be the best after `steps` steps, which show 2 of 8 each. */
function learnt(seed: number, steps: number, active: boolean): number {
  const { random, draw, model } = world(seed)
  const votes: RewardVote[] = []
  for (let step = 0; step < steps; step++) {
    const batch = Array.from({ length: 8 }, draw)
    const candidates = batch.map(({ features }) => [features])
    for (const i of active ? choose(candidates, model, 2, step) : [0, 1]) {
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
  const picked = Array.from({ length: 100 }, () => {
    const answers = Array.from({ length: 8 }, draw)
    const predicted = answers.map(({ features }) => model.predict(features).mean)
    return answers[predicted.indexOf(Math.max(...predicted))]!.value
  })
  return mean(picked)
}

describe('the choice of what is shown', () => {
  it('teaches more than chance what is best: over ten seeds, 40 chosen answers against 40 at random', () => {
    const seeds = Array.from({ length: 10 }, (_, i) => i + 1)
    const by = (active: boolean) => mean(seeds.map((seed) => learnt(seed, 20, active)))
    expect(by(true)).toBeGreaterThan(by(false) + 0.01)
  })

  it('takes none twice, and all there are where more are wanted', () => {
    const { draw, model } = world(6)
    const [one, other] = [draw().features, draw().features]
    expect(choose([[one], [one], [other]], model, 5, 1).sort()).toEqual([0, 1, 2])
    expect(choose([], model, 3, 1)).toEqual([])
  })

  it('follows from model, candidates and seed; another seed draws another function', () => {
    const { draw, model } = world(7)
    const candidates = Array.from({ length: 64 }, () => [draw().features])
    const first = choose(candidates, model, 16, 1)
    expect(choose(candidates, model, 16, 1)).toEqual(first)
    expect(choose(candidates, model, 16, 2)).not.toEqual(first)
  })

  it('takes what is surely good before what is surely poor, and of groups the one with the best answer', () => {
    const { model, draw } = world(8)
    const [good, poor] = [draw().features, draw().features]
    model.features.add('good', good)
    model.features.add('poor', poor)
    const votes = (sampleId: string, score: number) =>
      Array.from({ length: 40 }, (_, i) => ({
        ...{ id: `${sampleId}/${i}`, sampleId, weight: 1 },
        scores: { [RATING]: score, [COMPASSION]: score },
      }))
    model.fit([...votes('good', 0.95), ...votes('poor', 0.05)])
    for (let seed = 0; seed < 20; seed++) {
      expect(choose([[poor], [good]], model, 1, seed)).toEqual([1])
      expect(
        choose(
          [
            [poor, poor],
            [poor, good],
            [poor, poor],
          ],
          model,
          1,
          seed,
        ),
      ).toEqual([1])
    }
  })
})
