import { expect, it } from 'vitest'
import { TrainingConfig } from '../../server/protocol.ts'
import { learnerConfig } from '../../trainer/configuration.ts'
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
  expect(TrainingConfig.safeParse({ batchSize: 100 })).toMatchObject({ success: false, error: { issues: [{ path: ['ppoConfig', 'miniBatchSize'] }] } })
  expect(TrainingConfig.safeParse({ batchSize: 100, ppoConfig: { miniBatchSize: 25 } }).success).toBe(true)
  expect(learnerConfig(TrainingConfig.parse({ batchSize: 8 })).miniBatchSize).toBe(8)
})
