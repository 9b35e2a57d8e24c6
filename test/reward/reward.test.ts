import { describe, expect, it } from 'vitest'
import { predictionWeight } from '../../core/votes/crowd.ts'
import { openRandom } from '../../lm/sampling/random.ts'
import { FIXED } from '../../trainer/reward/fixed.ts'
import { COMPASSION, RATING, openRewardModel, type RewardVote } from '../../trainer/reward/model.ts'
import { rewardsOf, type CrowdVote, type RewardSettings } from '../../trainer/reward/reward.ts'

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
const rewardConfig = { ...FIXED, categories: {}, compassionWeight: 0.5 }
const model = openRewardModel(rewardConfig, 8, 1)
model.features.fitScale(samples.map((s) => s.features))
for (const s of samples) model.features.add(s.sampleId, s.features)
const votes = samples.slice(0, 20).map(({ sampleId, features }): RewardVote => {
  const v = features[0]! > 0 ? 0.9 : 0.1
  return { id: `v-${sampleId}`, sampleId, weight: 1, scores: { [RATING]: v, [COMPASSION]: v } }
})
const before = model.frozen()
model.fit(votes)
const reference = samples.map(({ features, tokens }) => ({ features, tokens }))
const rollouts = samples.map((s, i) => ({
  ...s,
  votes: i < 20 ? [{ value: votes[i]!.scores[RATING]!, weight: 1 }] : [],
}))
const unvoted = samples.map((s) => ({ ...s, votes: [] }))

describe('the reward of a step', () => {
  it('is the crowd’s value, shrunk to what was expected before its votes, and the prediction elsewhere', () => {
    const { crowd, expected } = rewardsOf({ rollouts, reference, model, before, config })
    crowd.forEach((h, i) => {
      const { features, sampleId } = samples[i]!
      if (i < 20) {
        const { mean, deviation } = before.predict(features, { without: sampleId })
        const counts = predictionWeight(deviation)
        expect(h).toBeCloseTo((votes[i]!.scores[RATING]! + counts * mean) / (1 + counts), 12)
        expect(expected[i]).toEqual({ mean, deviation })
      } else expect(h).toBe(model.predict(features).mean)
    })
  })

  it('counts an earlier step’s vote on the same answer once: not in what the answer was expected to be', () => {
    // This time the model has learnt from the votes of all answers before, as from those of an earlier step.
    const after = model.frozen()
    const again = rewardsOf({ rollouts, reference, model, before: after, config })
    const { sampleId, features } = samples[0]!
    const others = openRewardModel(rewardConfig, 8, 1, model.exportState())
    others.fit(votes.filter((vote) => vote.sampleId !== sampleId))
    expect(again.expected[0]!.mean).toBeCloseTo(others.predict(features).mean, 2)
    expect(again.expected[0]!.mean).not.toBeCloseTo(model.predict(features).mean, 2)
  })

  it('is worth nothing by itself to be voted on: a vote of what was expected leaves the pessimism as it was', () => {
    const asExpected = unvoted.map((one) => ({
      ...one,
      votes: [{ value: before.predict(one.features, { without: one.sampleId }).mean, weight: 1 }],
    }))
    // Nothing was learnt in this step, so that voted and unvoted answers are expected to be the same.
    const untaught = openRewardModel(rewardConfig, 8, 1)
    untaught.features.fitScale(samples.map((s) => s.features))
    const same = { reference, model: untaught, before: untaught.frozen(), config }
    const [voted, silent] = [asExpected, unvoted].map((given) => rewardsOf({ ...same, rollouts: given }))
    voted!.rewards.forEach((reward, i) => expect(reward).toBeCloseTo(silent!.rewards[i]!, 9))
  })

  it('weighs an answer by how surely its value is known, on average 1', () => {
    const { weights } = rewardsOf({ rollouts, reference, model, before, config })
    expect(weights.reduce((sum, w) => sum + w / weights.length, 0)).toBeCloseTo(1, 12)
    expect(Math.min(...weights.slice(0, 20))).toBeGreaterThan(Math.max(...weights.slice(20)))
    const flood = rollouts.map((one, i) =>
      i === 0 ? { ...one, votes: new Array<CrowdVote>(500).fill(one.votes[0]!) } : one,
    )
    const extreme = rewardsOf({ rollouts: flood, reference, model, before, config }).weights
    expect(Math.max(...extreme) / Math.min(...extreme)).toBeCloseTo(16, 9)
  })

  it('adds what floors ask for: a head’s pessimistic score by its multiplier', () => {
    const floors = { [COMPASSION]: { multiplier: 2, gap: 0, squaredError: 0, steps: 1 } }
    const free = rewardsOf({ rollouts, reference, model, before, config })
    const held = rewardsOf({ rollouts, reference, model, before, config, floors })
    held.rewards.forEach((reward, i) => {
      const plain = free.raw[i]! + 2 * free.levels[COMPASSION]!.policy[i]!
      expect(reward).toBeCloseTo((plain - held.normalisation.mean) / held.normalisation.deviation, 9)
    })
    expect(held.raw).toEqual(free.raw)
  })

  it('has mean 0 and deviation at most 1 on the reference’s outputs', () => {
    const { rewards } = rewardsOf({ rollouts: unvoted, reference, model, before, config })
    const mean = rewards.reduce((sum, r) => sum + r / rewards.length, 0)
    expect(mean).toBeCloseTo(0, 9)
    expect(rewards.reduce((sum, r) => sum + (r - mean) ** 2 / rewards.length, 0)).toBeLessThanOrEqual(1 + 1e-9)
  })

  it('is only ever lowered by constraints', () => {
    const free = rewardsOf({ rollouts, reference, model, before, config })
    const ethicalConstraints = { minCompassionScore: 0.5, prohibitedTopics: ['gambling'] }
    const bound = rewardsOf({ rollouts, reference, model, before, config: { ...config, ethicalConstraints } })
    bound.rewards.forEach((r, i) => expect(r).toBeLessThanOrEqual(free.rewards[i]!))
    expect(bound.penalties[3]).toBeGreaterThanOrEqual(1)
  })

  it('rises with length by the bonus for each deviation of the reference’s lengths, and falls where that is negative', () => {
    const at = (lengthBonus: number, tokens: number) =>
      rewardsOf({
        rollouts: [{ ...unvoted[0]!, tokens }],
        reference,
        model,
        before,
        config: { ...config, lengthBonus },
      }).raw[0]!
    // Lengths 20 to 24, eight of each: mean 22, sample deviation √(80 / 39).
    const deviation = Math.sqrt(80 / 39)
    expect(at(0.1, 22)).toBeCloseTo(at(0, 22), 12)
    expect(at(0.1, 32) - at(0.1, 22)).toBeCloseTo((0.1 * 10) / deviation, 12)
    expect(at(-0.1, 32) - at(-0.1, 22)).toBeCloseTo((-0.1 * 10) / deviation, 12)
    const { rewards } = rewardsOf({
      rollouts: unvoted,
      reference,
      model,
      before,
      config: { ...config, lengthBonus: 0.3 },
    })
    expect(rewards.reduce((sum, r) => sum + r / rewards.length, 0)).toBeCloseTo(0, 9)
  })

  it('mixes an AI score in where the session is hybrid', () => {
    const scored = samples.map((s) => ({ ...s, votes: [], ai: 1 }))
    const { raw, crowd } = rewardsOf({
      rollouts: scored,
      reference,
      model,
      before,
      config: { ...config, type: 'hybrid', humanFeedbackWeight: 3 },
    })
    raw.forEach((r, i) => {
      const { mean, value } = before.predict(samples[i]!.features)
      expect(r).toBeCloseTo(0.75 * Math.max(0, crowd[i]! - (mean - value)) + 0.25, 12)
    })
  })
})
