import { describe, expect, it } from 'vitest'
import { openRandom } from '../../trainer/models/random.ts'
import { REWARD_DEFAULTS } from '../../trainer/reward/defaults.ts'
import { COMPASSION, RATING, openRewardModel, type RewardVote } from '../../trainer/reward/model.ts'
import { scoreRollouts, valueOf, type RewardConfig } from '../../trainer/reward/reward.ts'

const config: RewardConfig = {
  type: 'human',
  weights: { human: 1, ai: 1 },
  categories: {},
  compassionWeight: 0.5,
  shrinkage: 1,
  constraints: {},
  minDeviation: 0.05,
}
const random = openRandom(1)
const samples = Array.from({ length: 40 }, (_, i) => ({
  sampleId: `s${i}`,
  response: i === 3 ? 'Go gambling.' : 'Rest a little.',
  features: Float32Array.from({ length: 8 }, () => random.normal()),
}))
const model = openRewardModel({ ...REWARD_DEFAULTS, categories: {}, compassionWeight: 0.5 }, 8, 1)
model.features.fitScale(samples.map((s) => s.features))
for (const s of samples) model.features.add(s.sampleId, s.features)
const vote = (sampleId: string, v: number, reliability = 1, id = `v-${sampleId}`): RewardVote => ({ id, sampleId, reliability, scores: { [RATING]: v, [COMPASSION]: v } })
const votes = samples.slice(0, 20).map((s) => vote(s.sampleId, s.features[0] > 0 ? 0.9 : 0.1))
model.fit(votes)
const reference = samples.map((s) => s.features)

describe('the reward of a step', () => {
  it('is the crowd’s value, shrunk to the prediction, where there are votes, and the prediction elsewhere', () => {
    const { rewards } = scoreRollouts(samples, votes, model, reference, config)
    for (const [i, r] of rewards.entries()) {
      if (i < 20) expect(r.crowd).toBeCloseTo((valueOf(votes[i].scores, config) + r.prediction.value) / 2, 12)
      else expect(r.crowd).toBe(r.prediction.value)
      expect(r.reward).toBe(r.crowd)
    }
  })

  it('names each vote’s share: ρ / (Σ ρ + κ)', () => {
    const cast = [vote('s0', 0.9, 1, 'a'), vote('s0', 0.5, 0.5, 'b')]
    const { rewards } = scoreRollouts(samples.slice(0, 1), cast, model, reference, config)
    expect(rewards[0].shares).toEqual(new Map([['a', 0.4], ['b', 0.2]]))
  })

  it('has mean 0 and deviation at most 1 on the reference’s outputs', () => {
    const { rewards } = scoreRollouts(samples, [], model, reference, config)
    const mean = rewards.reduce((sum, r) => sum + r.normalised / rewards.length, 0)
    expect(mean).toBeCloseTo(0, 9)
    expect(rewards.reduce((sum, r) => sum + (r.normalised - mean) ** 2 / rewards.length, 0)).toBeLessThanOrEqual(1 + 1e-9)
  })

  it('is only ever lowered by constraints', () => {
    const free = scoreRollouts(samples, votes, model, reference, config).rewards
    const bound = scoreRollouts(samples, votes, model, reference, { ...config, constraints: { minCompassionScore: 0.5, prohibitedTopics: ['gambling'] } }).rewards
    bound.forEach((r, i) => expect(r.reward).toBeLessThanOrEqual(free[i].reward))
    expect(bound[3].penalty).toBeGreaterThanOrEqual(1)
  })

  it('mixes an AI score in where the session is hybrid', () => {
    const scored = samples.map((s) => ({ ...s, ai: 1 }))
    const { rewards } = scoreRollouts(scored, [], model, reference, { ...config, type: 'hybrid', weights: { human: 3, ai: 1 } })
    for (const r of rewards) expect(r.reward).toBeCloseTo(0.75 * r.crowd + 0.25, 12)
  })
})
