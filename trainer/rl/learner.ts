/** PPO on a policy that an engine holds: the surface of which the live loop is made. */
import type { Engine } from '../engines/engine.ts'
import { exactDiv } from '../graph/index.ts'
import { loadWeights, saveWeights, type Model } from '../models/directory.ts'
import { openSampler } from '../models/sampler.ts'
import type { Weights } from '../models/weights.ts'
import { buildBatch } from './batch.ts'
import { batchConfig, klControl, type LearnerConfig } from './config.ts'
import { openInspector } from './inspect.ts'
import { nextKlCoef, sequenceKl } from './kl.ts'
import { metricsOf, type Metrics } from './metrics.ts'
import { openOptimizer } from './optimizer.ts'
import { POLICY, REFERENCE, policyParameters, valueParameters } from './policy.ts'
import { seedOf } from './random.ts'
import { checkRollout, type ReferenceView, type Rollout } from './rollout.ts'
import { klBrake, scheduledRate } from './schedule.ts'
import { mean } from './statistics.ts'
import { exportStates, importStates, momentStates, rollback, trainedStates, type LearnerState } from './state.ts'

export interface LearnerDeps {
  /** Holds states under `policy/`, `reference/`, `adam.…/policy/`; shared with nobody else under these names. */
  engine: Engine
  /** Where the policy starts, and the reference for good. */
  model: Model
  config: LearnerConfig
  seed: number
  /** Lets the event loop run; awaited between batches of work. */
  pause?: () => Promise<void>
}

export interface SampleOptions {
  /** One a prompt; an answer depends on weights, prompt and its seed, not on what else is in the batch. */
  seeds: readonly number[]
  /** The configuration's by default. PPO's ratio assumes that they agree. */
  temperature?: number
  maxNewTokens?: number
  /** Called for each token as it is drawn. */
  onToken?: (prompt: number, token: number, position: number) => void
  signal?: AbortSignal
}

/** What sampling gives; the caller adds texts and the sample's id. */
export type SampledRollout = Pick<Rollout, 'promptIds' | 'responseIds' | 'logprobs' | 'truncated' | 'policyVersion'>

export interface UpdateOptions {
  /** Those of `Learner.reference`, where they are known already. */
  references?: readonly ReferenceView[]
  /** Per rollout and response token, in the rewards' unit (`Rewards.potentials`); none shapes nothing. */
  potentials?: readonly (readonly number[])[]
  signal?: AbortSignal
}

export interface Update {
  metrics: Metrics
  /** Of each rollout: the mean over its tokens of the advantage that the loss saw. Above 0 where the update made it likelier. */
  advantages: number[]
}

export interface Learner {
  /** Longest prompt and response together, tokens. */
  readonly context: number
  /** Updates so far: the policy's version. */
  readonly version: number
  /** β of the next update. */
  readonly klCoefficient: number
  /** Answers prompts (token ids, one or more each) with the current policy. One call at a time. */
  sample(prompts: readonly (readonly number[])[], options: SampleOptions): Promise<SampledRollout[]>
  /** Features and log-probabilities of the frozen reference, for the reward model and for `update`. */
  reference(rollouts: readonly Rollout[]): Promise<ReferenceView[]>
  /**
   * One PPO update: `ppoEpochs` passes over the rollouts in minibatches. `rewards` are normalised,
   * one per rollout. The result depends on (state, rollouts, rewards, seed) alone. Sizes that do
   * not divide throw before anything changes. When `signal` aborts, it rejects with the signal's
   * reason within one minibatch, and the learner is as it was before the call.
   */
  update(rollouts: readonly Rollout[], rewards: readonly number[], options?: UpdateOptions): Promise<Update>
  /** All that a later `importState` on a learner of the same model, configuration and seed goes on from. */
  exportState(): Promise<LearnerState>
  importState(state: LearnerState): void
  /** The trained language model by Hugging Face names, without the value head. */
  policyWeights(): Promise<Weights>
  close(): Promise<void>
}

/** Rollouts of one forward pass. */
const FORWARD_ROWS = 32

export function openLearner({ engine, model, config, seed, pause = immediate }: LearnerDeps): Learner {
  const states = engine.states
  loadWeights(states, model, POLICY)
  loadWeights(states, model, REFERENCE)
  for (const prefix of [POLICY, REFERENCE]) for (const [name, shape] of valueParameters(model.architecture, prefix)) states.zero(name, shape)
  for (const [name, shape] of momentStates(model.architecture)) states.zero(name, shape)
  const sampler = openSampler(engine, { architecture: model.architecture, prefix: POLICY })
  const inspector = openInspector(engine, model.architecture, config.temperature, FORWARD_ROWS, pause)
  const optimizer = openOptimizer(engine, model.architecture, config, pause)
  let version = 0
  let klCoefficient = config.klCoefficient

  return {
    context: model.architecture.context,
    get version() {
      return version
    },
    get klCoefficient() {
      return klCoefficient
    },

    async sample(prompts, options) {
      const samples = await sampler.sample({
        prompts,
        seeds: options.seeds,
        maxNewTokens: options.maxNewTokens ?? config.maxNewTokens,
        temperature: options.temperature ?? config.temperature,
        stopTokens: model.architecture.eosTokens,
        onToken: options.onToken,
        signal: options.signal,
      })
      return samples.map(({ tokens, logProbs, finish }, i) => ({
        promptIds: [...prompts[i]],
        responseIds: [...tokens],
        logprobs: logProbs,
        truncated: finish === 'length',
        policyVersion: version,
      }))
    },

    reference: (rollouts) => inspector.reference(rollouts),

    async update(rollouts, rewards, { references, potentials, signal } = {}) {
      exactDiv(rollouts.length, config.miniBatchSize, 'rollouts by miniBatchSize')
      rollouts.forEach(checkRollout)
      if (rewards.length !== rollouts.length || !rewards.every(Number.isFinite)) throw new RangeError('one finite reward per rollout')
      signal?.throwIfAborted()
      const reference = references ?? (await inspector.reference(rollouts))
      const policy = await inspector.policy(rollouts)
      const scored = rollouts.map((rollout, i) => ({
        ...{ rollout, reference: reference[i], policy: policy[i], reward: rewards[i], potentials: potentials?.[i] },
        stale: rollout.policyVersion !== version,
      }))
      const { experiences, statistics } = buildBatch(scored, klCoefficient, batchConfig(config))
      // Of the present policy, on rollouts that may be an update old.
      const presentKl = mean(scored.map(({ policy: now, reference: base }) => sequenceKl(now.logprobs, base.logprobs)))
      const brake = klBrake(Math.max(statistics.kl, presentKl), config.klCeiling)
      const learningRate = brake * scheduledRate(config.learningRate, config.learningRateSchedule, version, config.totalSteps)

      const undo = rollback(engine, model.architecture, optimizer)
      const steps = await undo.unlessAborted(() => optimizer.run(experiences, { learningRate, seed: seedOf(seed, version), signal }))
      const metrics = metricsOf({
        batch: statistics,
        steps,
        klCoef: klCoefficient,
        learningRate,
        entropies: policy.map((p) => p.entropies),
        referenceLogprobs: reference.map((r) => r.logprobs),
        values: policy.map((p) => p.values),
        returns: experiences.map((e) => e.returns),
      })
      klCoefficient = nextKlCoef(klCoefficient, klControl(config), statistics.kl, rollouts.length)
      version++
      return { metrics, advantages: experiences.map((e) => mean(e.advantages)) }
    },

    exportState: () => exportStates(engine, model.architecture, { version, klCoefficient, optimizerSteps: optimizer.steps, seed }),
    importState(state) {
      if (state.json.seed !== seed) throw new Error(`a state of seed ${state.json.seed} does not continue with seed ${seed}`)
      importStates(engine, model.architecture, state)
      optimizer.steps = state.json.optimizerSteps
      version = state.json.version
      klCoefficient = state.json.klCoefficient
    },
    policyWeights: async () => (await saveWeights(engine, { architecture: model.architecture, prefix: POLICY })).weights,
    async close() {
      await sampler.close()
      await inspector.close()
      await optimizer.close()
      for (const own of [trainedStates(model.architecture), policyParameters(model.architecture, REFERENCE)]) {
        for (const name of own.keys()) states.delete(name)
      }
    },
  }
}

const immediate = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
