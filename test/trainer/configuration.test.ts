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

it('sizes that do not divide are the researcher’s mistake, and rollouts divide by default', () => {
  const { batchSize, ppoConfig } = TrainingConfig.parse({})
  expect(batchSize % ppoConfig.miniBatchSize).toBe(0)
})
