import { expect, it } from 'vitest'
import { weigh, type CastVote } from '../../core/votes/weights.ts'
import { openRandom } from '../../lm/sampling/random.ts'
import { FIXED } from '../../trainer/reward/fixed.ts'
import { COMPASSION, openRewardModel, RATING } from '../../trainer/reward/model.ts'
import { rankCorrelation } from '../../core/statistics.ts'

const width = 32
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
const clamp = (x: number): number => Math.min(1, Math.max(0, x))

/**
 * How well the model ranks unseen answers after six honest people's votes of `steps` steps and one account's inverted
 * ones on texts of its own.
 */
function learnt({ steps, texts, trusted }: { steps: number; texts: number; trusted: boolean }): number {
  const random = openRandom(7)
  const direction = Array.from({ length: width }, () => random.normal())
  const draw = () => Float32Array.from({ length: width }, () => random.normal())
  const worth = (x: Float32Array) =>
    sigmoid(x.reduce((sum, v, i) => sum + (1.5 * v * direction[i]!) / Math.sqrt(width), 0))
  const model = openRewardModel({ ...FIXED, categories: {}, compassionWeight: 0.7 }, width, 1)
  model.features.fitScale(Array.from({ length: 64 }, draw))
  const votes: (CastVote & { id: string })[] = []
  const add = (vote: Pick<CastVote, 'raterId' | 'sampleId' | 'value' | 'at' | 'origin'>) =>
    votes.push({
      ...vote,
      id: `${vote.sampleId}/${vote.raterId}`,
      value: clamp(vote.value + 0.1 * random.normal()),
      source: null,
      ownQuestion: false,
      late: false,
    })
  for (let i = 0; i < texts; i++) {
    const x = draw()
    model.features.add(`text/${i}`, x)
    add({ raterId: 'author', sampleId: `text/${i}`, value: 1 - worth(x), at: 0, origin: null })
  }
  for (let s = 0; s < 16 * steps; s++) {
    const x = draw()
    model.features.add(`s${s}`, x)
    for (let k = 0; k < 3; k++)
      add({
        raterId: `honest ${(s + k) % 6}`,
        sampleId: `s${s}`,
        value: worth(x),
        at: 1_000 * s,
        origin: 'rollout',
      })
  }
  const { inFit } = weigh(votes)
  model.fit(
    votes.map(({ id, sampleId, value }, i) => ({
      id,
      sampleId,
      weight: trusted ? inFit[i]! : 0.6,
      scores: { [RATING]: value, [COMPASSION]: value },
    })),
  )
  const unseen = Array.from({ length: 100 }, draw)
  return (
    rankCorrelation(
      unseen.map(worth),
      unseen.map((x) => model.predict(x).mean),
    ) ?? 0
  )
}

it('3,070 inverted votes by one account on texts of its own keep six honest raters from teaching nothing', () => {
  const honest = learnt({ steps: 4, texts: 0, trusted: true })
  expect(honest).toBeGreaterThan(0.8)
  // What the votes did while each weighed its author's prior.
  expect(learnt({ steps: 4, texts: 3_070, trusted: false })).toBeLessThan(-0.5)
  expect(learnt({ steps: 4, texts: 3_070, trusted: true })).toBeCloseTo(honest, 1)
  // In the very first step, before anybody has earned standing, its share is bounded.
  expect(learnt({ steps: 1, texts: 3_070, trusted: true })).toBeGreaterThan(
    learnt({ steps: 1, texts: 0, trusted: true }) - 0.2,
  )
})
