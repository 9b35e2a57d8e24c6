import { describe, expect, it } from 'vitest'
import { openRandom } from '../../lm/sampling/random.ts'
import { FIXED } from '../../trainer/reward/fixed.ts'
import { COMPASSION, RATING, openRewardModel, type RewardVote } from '../../trainer/reward/model.ts'
import { rewardsOf, type RewardSettings } from '../../trainer/reward/reward.ts'

const config: RewardSettings = {
  type: 'human',
  humanFeedbackWeight: 1,
  aiRewardWeight: 1,
  shrinkage: 1,
  lengthBonus: 0,
  ethicalConstraints: {},
}
const random = openRandom(1)
const samples = Array.from({ length: 40 }, (_, i) => ({
  sampleId: `s${i}`,
  tokens: 20 + (i % 5),
  response: i === 3 ? 'Go gambling.' : 'Rest a little.',
  features: Float32Array.from({ length: 8 }, () => random.normal()),
}))
const model = openRewardModel({ ...FIXED, categories: {}, compassionWeight: 0.5 }, 8, 1)
model.features.fitScale(samples.map((s) => s.features))
for (const s of samples) model.features.add(s.sampleId, s.features)
const votes = samples.slice(0, 20).map(({ sampleId, features }): RewardVote => {
  const v = features[0]! > 0 ? 0.9 : 0.1
  return { id: `v-${sampleId}`, sampleId, weight: 1, scores: { [RATING]: v, [COMPASSION]: v } }
})
model.fit(votes)
const reference = samples.map(({ features, tokens }) => ({ features, tokens }))
const rollouts = samples.map((s, i) => ({
  ...s,
  votes: i < 20 ? [{ value: votes[i]!.scores[RATING]!, weight: 1 }] : [],
}))
const unvoted = samples.map((s) => ({ ...s, votes: [] }))

describe('the reward of a step', () => {
  it('is the crowd’s value, shrunk to the prediction, where there are votes, and the prediction elsewhere', () => {
    const { raw, crowd } = rewardsOf({ rollouts, reference, model, config })
    const predicted = rewardsOf({ rollouts: unvoted, reference, model, config }).crowd
    crowd.forEach((h, i) => {
      if (i < 20) expect(h).toBeCloseTo((votes[i]!.scores[RATING]! + predicted[i]!) / 2, 12)
      else expect(h).toBe(model.predict(samples[i]!.features).value)
    })
    expect(raw).toEqual(crowd)
  })

  it('has mean 0 and deviation at most 1 on the reference’s outputs', () => {
    const { rewards } = rewardsOf({ rollouts: unvoted, reference, model, config })
    const mean = rewards.reduce((sum, r) => sum + r / rewards.length, 0)
    expect(mean).toBeCloseTo(0, 9)
    expect(rewards.reduce((sum, r) => sum + (r - mean) ** 2 / rewards.length, 0)).toBeLessThanOrEqual(1 + 1e-9)
  })

  it('is only ever lowered by constraints', () => {
    const free = rewardsOf({ rollouts, reference, model, config })
    const ethicalConstraints = { minCompassionScore: 0.5, prohibitedTopics: ['gambling'] }
    const bound = rewardsOf({ rollouts, reference, model, config: { ...config, ethicalConstraints } })
    bound.rewards.forEach((r, i) => expect(r).toBeLessThanOrEqual(free.rewards[i]!))
    expect(bound.penalties[3]).toBeGreaterThanOrEqual(1)
  })

  it('rises with length by the bonus for each deviation of the reference’s lengths, and falls where that is negative', () => {
    const at = (lengthBonus: number, tokens: number) =>
      rewardsOf({ rollouts: [{ ...unvoted[0]!, tokens }], reference, model, config: { ...config, lengthBonus } })
        .raw[0]!
    // Lengths 20 to 24, eight of each: mean 22, sample deviation √(80 / 39).
    const deviation = Math.sqrt(80 / 39)
    expect(at(0.1, 22)).toBeCloseTo(at(0, 22), 12)
    expect(at(0.1, 32) - at(0.1, 22)).toBeCloseTo((0.1 * 10) / deviation, 12)
    expect(at(-0.1, 32) - at(-0.1, 22)).toBeCloseTo((-0.1 * 10) / deviation, 12)
    const { rewards } = rewardsOf({ rollouts: unvoted, reference, model, config: { ...config, lengthBonus: 0.3 } })
    expect(rewards.reduce((sum, r) => sum + r / rewards.length, 0)).toBeCloseTo(0, 9)
  })

  it('mixes an AI score in where the session is hybrid', () => {
    const scored = samples.map((s) => ({ ...s, votes: [], ai: 1 }))
    const { raw, crowd } = rewardsOf({
      rollouts: scored,
      reference,
      model,
      config: { ...config, type: 'hybrid', humanFeedbackWeight: 3 },
    })
    raw.forEach((r, i) => expect(r).toBeCloseTo(0.75 * crowd[i]! + 0.25, 12))
  })
})
