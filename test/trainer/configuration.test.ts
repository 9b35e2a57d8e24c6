import { expect, it } from 'vitest'
import { TrainingConfig, groupSizeOf, ownConfig } from '../../core/protocol/index.ts'
import { learnerConfig } from '../../trainer/loop/configuration.ts'
import { drawGroups, promptSource } from '../../trainer/loop/prompts.ts'
import { LEARNER_DEFAULTS, LIVE_DEFAULTS } from '../../trainer/rl/defaults.ts'

it('a run started with no settings is the one that the offline study chose', () => {
  const config = TrainingConfig.parse({})
  expect(learnerConfig(config)).toEqual({ ...LEARNER_DEFAULTS, totalSteps: config.epochs })
  expect(LIVE_DEFAULTS).toEqual({
    rollouts: config.batchSize,
    shown: config.live.shownPerStep,
    compassionWeight: config.rewardModel.compassionWeight,
  })
})

it('sizes that do not divide are refused, the default divides, and a batch under a minibatch is one update', () => {
  expect(TrainingConfig.safeParse({ batchSize: 100 })).toMatchObject({
    success: false,
    error: { issues: [{ path: ['ppoConfig', 'miniBatchSize'] }] },
  })
  expect(TrainingConfig.safeParse({ batchSize: 100, ppoConfig: { miniBatchSize: 25 } }).success).toBe(true)
  expect(learnerConfig(TrainingConfig.parse({ batchSize: 8 })).miniBatchSize).toBe(8)
})

it('a step asks each prompt as often as its algorithm compares answers', () => {
  const source = promptSource(['a', 'b', 'c', 'd'].map((prompt) => ({ prompt })))
  const draw = (step: number, size: number) => drawGroups(source, { step, batchSize: 8, groupSize: size, seed: 1 })
  expect(draw(2, 1)).toEqual(source.draw(8, 8, 1))
  expect(draw(2, 4)).toEqual(source.draw(2, 2, 1).flatMap((prompt) => [prompt, prompt, prompt, prompt]))
  expect(() => draw(1, 3)).toThrow(/not divisible/)
  const sizes = (given: object) => {
    const config = TrainingConfig.parse(given)
    return groupSizeOf(config.algorithm, ownConfig(config))
  }
  expect([
    sizes({}),
    sizes({ algorithm: 'grpo', grpoConfig: { groupSize: 8 } }),
    sizes({ algorithm: 'dpo', dpoConfig: { groupSize: 2 } }),
  ]).toEqual([1, 8, 2])
})

it('groups and parts that do not divide are refused, naming the setting', () => {
  const refused = (config: object) => TrainingConfig.safeParse(config).error?.issues.map(({ path }) => path.join('.'))
  expect(refused({ algorithm: 'grpo', grpoConfig: { groupSize: 3 } })).toEqual(['grpoConfig.groupSize'])
  expect(refused({ algorithm: 'dpo', batchSize: 96, dpoConfig: { groupSize: 3 } })).toEqual(['dpoConfig.groupSize'])
  expect(refused({ algorithm: 'dpo', dpoConfig: { groupSize: 6 } })).toEqual(['dpoConfig.groupSize'])
  expect(refused({ grpoConfig: { groupSize: 3 } })).toBeUndefined()
  expect(refused({ gradientAccumulationSteps: 3 })).toEqual(['gradientAccumulationSteps'])
  expect(refused({ gradientAccumulationSteps: 32 })).toBeUndefined()
  expect(refused({ algorithm: 'dpo', live: { klCoefficient: 0 } })).toEqual(['live.klCoefficient'])
  expect(refused({ algorithm: 'dpo', gradientAccumulationSteps: 32 })).toEqual(['gradientAccumulationSteps'])
})

it('adapters are trained where they have a rank', () => {
  const lora = (config: object) => learnerConfig(TrainingConfig.parse({ loraConfig: config })).lora
  expect(lora({})).toBeNull()
  expect(lora({ rank: 8 })).toEqual({ rank: 8, alpha: 32, rankStabilised: false, targets: ['all-linear'] })
})
