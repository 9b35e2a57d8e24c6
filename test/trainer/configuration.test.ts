import { describe, expect, it } from 'vitest'
import { TrainingConfig, algorithmNames, groupSizeOf, ownConfig } from '../../core/protocol/index.ts'
import { learnerConfig, rewardModelConfig } from '../../trainer/loop/configuration.ts'
import { FIXED as REWARD } from '../../trainer/reward/fixed.ts'
import { FIXED } from '../../trainer/rl/fixed.ts'
import { nextKlCoefficient } from '../../trainer/rl/kl.ts'
import { drawGroups, promptSource } from '../../trainer/loop/prompts.ts'

it('a run started with no settings is the one that the offline study chose', () => {
  const config = TrainingConfig.parse({})
  expect(learnerConfig(config)).toEqual({
    algorithm: 'ppo',
    own: {},
    lora: null,
    temperature: 0.7,
    maxNewTokens: 64,
    learningRate: 1e-4,
    learningRateSchedule: 'constant',
    warmupSteps: 0,
    totalSteps: 1_000_000,
    anchor: 0.01,
    ppoEpochs: 2,
    miniBatchSize: 32,
    gradientAccumulationSteps: 1,
    clipRatio: 0.2,
    valueClipRatio: 5,
    valueCoefficient: 0.1,
    entropyCoefficient: 0,
    maxGradNorm: 1,
    weightDecay: 0,
    adamBeta1: 0.9,
    adamBeta2: 0.95,
    adamEpsilon: 1e-5,
    gamma: 1,
    gaeLambda: 1,
    whitenRewards: false,
    whitenAdvantages: true,
    missingEosPenalty: 1,
    klCoefficient: 1 / Math.sqrt(8),
    adaptiveKl: false,
    targetKL: 4,
    klGain: 0.05,
    stopKL: 0.02,
  })
  expect(rewardModelConfig(config)).toEqual({
    ridge: 1,
    noiseVariance: 0.5,
    noiseAnswers: 10,
    pessimism: 0.5,
    categories: { helpfulness: 1 },
    compassionWeight: 0.7,
  })
  expect([config.batchSize, config.live.shownPerStep]).toEqual([32, 16])
})

describe('every default of the schema is what the learner gets, under the name that it has there', () => {
  const usual = TrainingConfig.parse({})
  // What a run chooses about its learning, and where its configuration has it.
  const places: Record<string, object> = { config: usual, ppoConfig: usual.ppoConfig, live: usual.live }
  const others = new Set(['own', 'lora', 'totalSteps', 'klCoefficient'])
  const placeOf = (name: string) => Object.keys(places).filter((place) => name in (places[place] ?? {}))
  const chosen = Object.entries(learnerConfig(usual)).filter(([name]) => !(name in FIXED) && !others.has(name))

  it.each(chosen)('%s', (name, value) => {
    const [place, ...more] = placeOf(name)
    expect(more).toEqual([])
    expect(places[place ?? '']).toHaveProperty(name, value)
  })

  it('what depends on more than one setting, or on the algorithm, follows from the schema alone, too', () => {
    expect(learnerConfig(usual)).toMatchObject({
      totalSteps: usual.epochs,
      klCoefficient: 1 / Math.sqrt(2 * usual.ppoConfig.targetKL),
      lora: null,
    })
    expect(usual.loraConfig.rank).toBe(0)
    for (const algorithm of algorithmNames) {
      const config = TrainingConfig.parse({ algorithm })
      expect(learnerConfig(config).own).toEqual(ownConfig(config))
    }
    for (const name of Object.keys(usual.ppoConfig)) expect(learnerConfig(usual)).toHaveProperty(name)
  })

  it('what a run does not choose has no setting by its name', () => {
    expect([...Object.keys(FIXED), ...Object.keys(REWARD)].filter((name) => placeOf(name).length > 0)).toEqual([])
  })
})

describe('the KL to the reference', () => {
  const of = (config: object) => learnerConfig(TrainingConfig.parse(config))

  it('a β of the run’s own stands, whatever target is sent beside it, unless β is adapted', () => {
    const fixed = of({ live: { klCoefficient: 0.2 } })
    expect(of({ live: { klCoefficient: 0.2 }, ppoConfig: { targetKL: 1 } })).toEqual({ ...fixed, targetKL: 1 })
    for (const observed of [0, 1, 40]) expect(nextKlCoefficient(0.2, { ...fixed, targetKL: 1 }, observed)).toBe(0.2)
    const adapted = of({ live: { klCoefficient: 0.2, adaptiveKl: true }, ppoConfig: { targetKL: 1 } })
    expect(adapted.klCoefficient).toBe(0.2)
    expect(nextKlCoefficient(0.2, adapted, 4)).toBeGreaterThan(0.2)
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
