/** A policy held by an engine, and its training: the interface that the live loop uses. */
import type { Engine } from '../../lm/engines/engine.ts'
import { mean } from '../../core/statistics.ts'
import { exactDiv, lossScaleStates } from '../../lm/graph/index.ts'
import { startLossScale } from '../../lm/training/optimizer-step.ts'
import { saveWeights, type Model } from '../../lm/files/directory.ts'
import { openSampler } from '../../lm/sampling/sampler.ts'
import type { Weights } from '../../lm/files/weights.ts'
import { openAnchor } from './anchor.ts'
import { openAlgorithm } from './algorithms/registry.ts'
import type { LearnerConfig } from './config.ts'
import { scoresOf, statisticsOf } from './experience.ts'
import { openInspector } from './inspect.ts'
import { nextKlCoefficient, withinRange } from './kl.ts'
import { updateMetrics, type Metrics } from './metrics.ts'
import { openMovementGauge } from './movement.ts'
import { openOptimizer } from './optimizer.ts'
import { heldPolicy, loadPolicy, releasePolicy } from './policy.ts'
import { seedOf } from './random.ts'
import { checkRollout, type ReferenceView, type Rollout } from './rollout.ts'
import { scheduledRate } from './schedule.ts'
import { exportStates, importStates, rollback, type LearnerState } from './state.ts'

export interface LearnerDeps {
  /**
   * Holds states under `policy/`, `reference/`, `adam.…/policy/` and, in float16, `loss-scale/`; shared with nobody
   * else under these names.
   */
  engine: Engine
  /** The initial policy, and the reference throughout. */
  model: Model
  config: LearnerConfig
  seed: number
  /** Yields to the event loop; awaited between batches of work. */
  pause?: () => Promise<void>
}

export interface SampleOptions {
  /** One a prompt; an answer depends on weights, prompt and its seed, not on what else is in the batch. */
  seeds: readonly number[]
  /** The configuration's by default. PPO's ratio assumes the same temperature. */
  temperature?: number
  maxNewTokens?: number
  /** Called for each token as it is drawn. */
  onToken?: (prompt: number, token: number, position: number) => void
  signal?: AbortSignal
}

/** The result of sampling; the caller adds texts and the sample's id. */
export type SampledRollout = Pick<Rollout, 'promptIds' | 'responseIds' | 'logprobs' | 'truncated' | 'policyVersion'>

export interface UpdateOptions {
  /** Those of `Learner.reference`, if already computed. */
  references?: readonly ReferenceView[]
  /** Per rollout and response token, in the rewards' unit (`Rewards.potentials`); without them nothing is shaped. */
  potentials?: readonly (readonly number[])[]
  /** Per rollout, above 0: how much it counts in the policy's loss (`Rewards.weights`); all 1 without them. */
  weights?: readonly number[]
  /** β of this update in place of the present one, above 0; the controller goes on from its own. */
  klCoefficient?: number
  signal?: AbortSignal
}

export interface Update {
  metrics: Metrics
  /**
   * Of each rollout: the mean over its tokens of the advantage that the loss saw (DPO's is between -1 and 1). Above 0
   * if the update made it likelier.
   */
  advantages: number[]
  /** Of each rollout: log π of the whole response before the update and after it, nats. */
  logprobs: { before: number; after: number }[]
  /** False: the policy is unchanged to the precision of its weights, and nothing was learnt. */
  changed: boolean
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
   * One update: `ppoEpochs` passes over the rollouts in minibatches, by the configured algorithm. `rewards` are
   * normalised, one per rollout. The result depends on (state, rollouts, rewards, seed) alone. Sizes that do not divide
   * throw before anything changes. When `signal` aborts, it rejects with the signal's reason within one minibatch, and
   * the learner is as it was before the call. It is also restored, and an error thrown, if the update would leave
   * weights that are NaN or infinite.
   */
  update(rollouts: readonly Rollout[], rewards: readonly number[], options?: UpdateOptions): Promise<Update>
  /** The state from which `importState` on a learner of the same model, configuration and seed resumes. */
  exportState(): Promise<LearnerState>
  importState(state: LearnerState): void
  /** The trained language model by Hugging Face names, adapters merged into it, without the value head. */
  policyWeights(): Promise<Weights>
  close(): Promise<void>
}

export function openLearner({ engine, model, config, seed, pause = immediate }: LearnerDeps): Learner {
  const algorithm = openAlgorithm(config)
  const { architecture } = model
  const policy = heldPolicy(architecture, { valueHead: algorithm.valueHead, lora: config.lora })
  loadPolicy(engine.states, model, policy, seed)
  if (engine.precision === 'float16') startLossScale(engine.states)
  const sampler = openSampler(engine, policy.model)
  const rows = exactDiv(
    config.miniBatchSize,
    config.gradientAccumulationSteps,
    'miniBatchSize by gradientAccumulationSteps',
  )
  const inspector = openInspector(engine, policy, config.temperature, rows, pause)
  const optimizer = openOptimizer(engine, policy, algorithm, config, pause)
  const anchor = openAnchor(engine, policy)
  const gauge = openMovementGauge(engine, policy)
  let version = 0
  let klCoefficient = config.klCoefficient

  return {
    context: architecture.context,
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
        stopTokens: architecture.eosTokens,
        onToken: options.onToken,
        signal: options.signal,
      })
      return samples.map(({ tokens, logProbs, finish }, i) => ({
        promptIds: [...prompts[i]!],
        responseIds: [...tokens],
        logprobs: logProbs,
        truncated: finish === 'length',
        policyVersion: version,
      }))
    },

    reference: (rollouts) => inspector.reference(rollouts),

    async update(rollouts, rewards, { references, potentials, weights, klCoefficient: beta, signal } = {}) {
      exactDiv(rollouts.length, config.miniBatchSize, 'rollouts by miniBatchSize')
      rollouts.forEach(checkRollout)
      if (rewards.length !== rollouts.length || !rewards.every(Number.isFinite))
        throw new RangeError('one finite reward per rollout')
      if (
        weights &&
        (weights.length !== rollouts.length || !weights.every((weight) => weight > 0 && weight < Infinity))
      )
        throw new RangeError('one weight above 0 per rollout')
      const held = beta ?? klCoefficient
      if (!(held >= 0 && held < Infinity)) throw new RangeError(`β is ${held}`)
      signal?.throwIfAborted()
      const reference = references ?? (await inspector.reference(rollouts))
      const views = await inspector.policy(rollouts)
      const scored = rollouts.map((rollout, i) => ({
        ...{ rollout, reference: reference[i]!, policy: views[i]!, reward: rewards[i]!, potentials: potentials?.[i] },
        ...(weights && { weight: weights[i]! }),
        stale: rollout.policyVersion !== version,
      }))
      const statistics = statisticsOf(scored, scoresOf(scored, config.missingEosPenalty), held)
      const { experiences, advantages, metrics: own } = algorithm.prepare(scored, held)
      const learningRate = scheduledRate(config, version)

      const undo = rollback(engine, policy, optimizer)
      const { steps, movement, after } = await undo.unlessAborted(async () => {
        const steps = await optimizer.run(experiences, {
          learningRate,
          klCoefficient: held,
          seed: seedOf(seed, version),
          signal,
        })
        // In proportion to the rate: where updates become small, what undoes them must, too.
        await anchor.draw((config.anchor * learningRate) / config.learningRate)
        return { steps, movement: await gauge.measure(), after: await inspector.policy(rollouts) }
      })
      const logprobs = views.map((view, i) => ({ before: sum(view.logprobs), after: sum(after[i]!.logprobs) }))
      const metrics = updateMetrics({
        ...{ batch: statistics, own, steps, klCoefficient: held, learningRate, moved: movement.norm },
        shift: mean(logprobs.map((one) => Math.abs(one.after - one.before))),
        entropies: views.map((view) => view.entropies),
        referenceLogprobs: reference.map((view) => view.logprobs),
      })
      klCoefficient = nextKlCoefficient(klCoefficient, config, statistics.kl)
      version++
      return { metrics, advantages, logprobs, changed: movement.changed }
    },

    exportState: () => exportStates(engine, policy, { version, klCoefficient, optimizerSteps: optimizer.steps, seed }),
    importState(state) {
      if (state.json.seed !== seed)
        throw new Error(`a state of seed ${state.json.seed} does not continue with seed ${seed}`)
      importStates(engine, policy, state)
      optimizer.steps = state.json.optimizerSteps
      version = state.json.version
      klCoefficient = withinRange(state.json.klCoefficient, config)
    },
    policyWeights: async () => (await saveWeights(engine, policy.model)).weights,
    async close() {
      await sampler.close()
      await inspector.close()
      await optimizer.close()
      await anchor.close()
      await gauge.close()
      releasePolicy(engine.states, policy)
      if (engine.precision === 'float16') for (const name of lossScaleStates.keys()) engine.states.delete(name)
    },
  }
}

const sum = (values: Float32Array): number => values.reduce((total, value) => total + value, 0)

const immediate = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
