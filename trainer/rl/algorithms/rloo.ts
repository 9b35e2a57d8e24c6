/** REINFORCE, each answer against the mean of the others to its prompt (Ahmadian et al., 2024). */
import type { AlgorithmConfig } from '../../../core/protocol/index.ts'
import { mean } from '../../../core/statistics.ts'
import { div, mul, neg, reduceSum, square, sub } from '../../../lm/graph/index.ts'
import { scoresOf, trustRegion } from '../experience.ts'
import { type AlgorithmModule, common } from './algorithm.ts'
import { checkGroups } from './groups.ts'

export const rloo: AlgorithmModule<AlgorithmConfig<'rloo'>> = {
  open: ({ missingEosPenalty }, { groupSize }) => ({
    prepare(scored, klCoefficient) {
      checkGroups(
        scored.map(({ rollout }) => rollout),
        groupSize,
      )
      const rewards = scoresOf(scored, missingEosPenalty).map((score, i) => {
        const { rollout, reference } = scored[i]!
        return score - klCoefficient * rollout.logprobs.reduce((sum, x, t) => sum + x - reference.logprobs[t]!, 0)
      })
      const advantages = rewards.map((reward, i) => {
        const start = i - (i % groupSize)
        const total = rewards.slice(start, start + groupSize).reduce((sum, r) => sum + r, 0)
        return reward - (total - reward) / (groupSize - 1)
      })
      const experiences = scored.map((one, i) => ({
        rollout: one.rollout,
        columns: trustRegion(
          one,
          one.rollout.responseIds.map(() => advantages[i]!),
        ),
        scalars: {},
      }))
      return { experiences, advantages: experiences.map(({ columns }) => mean(columns.advantages)), metrics: {} }
    },
    loss(inputs) {
      const { newLogprobs, oldLogprobs, mask, tokens } = common(inputs)
      const policyLoss = neg(div(reduceSum(mul(mul(newLogprobs, inputs.column('advantages')), mask)), tokens))
      const moved = reduceSum(mul(square(sub(newLogprobs, oldLogprobs)), mask))
      return { policyLoss, totalLoss: policyLoss, approxKl: mul(div(moved, tokens), 0.5) }
    },
  }),
  metrics: {},
  averages: {},
}
