/**
 * One PPO step with adapters on a model of GPT-2's 124M shape, in a process of its own, so that its peak resident
 * memory is the run's. Weights are random and created tensor by tensor: a model's speed and size don't depend on what
 * it knows. Prints one line of JSON.
 */
import { openOnnx } from '../../lm/engines/onnx.ts'
import { sizeOf } from '../../lm/graph/index.ts'
import { gpt2 } from '../../lm/architectures/gpt2.ts'
import { openRandom } from '../../lm/sampling/random.ts'
import type { Weights } from '../../lm/files/weights.ts'
import { TrainingConfig } from '../../core/protocol/index.ts'
import { learnerConfig } from '../../trainer/loop/configuration.ts'
import { openLearner } from '../../trainer/rl/learner.ts'
import type { LoraBench } from './lora.ts'

const ROLLOUTS = 16
const PROMPT_TOKENS = 32
const NEW_TOKENS = 32

const architecture = gpt2({
  vocabSize: 50_257,
  context: 1_024,
  width: 768,
  layers: 12,
  heads: 12,
  inner: 3_072,
  epsilon: 1e-5,
  bosToken: null,
  eosToken: null,
  padToken: null,
})
const weights: Weights = {
  keys: () => architecture.parameters.keys(),
  get(name) {
    const shape = architecture.parameters.get(name)
    if (!shape) return undefined
    const random = openRandom(name.length)
    const deviation = architecture.initialDeviation(name)
    const data = Float32Array.from({ length: sizeOf(shape) }, () =>
      shape.length === 1 ? Number(!name.endsWith('bias')) : deviation * random.normal(),
    )
    return { shape, data }
  },
}

/** Of this process since it started, MiB. */
const peak = (): number => Math.round(process.resourceUsage().maxRSS / 1_024)

async function main(): Promise<void> {
  const engine = await openOnnx()
  const config = {
    ...learnerConfig(TrainingConfig.parse({})),
    maxNewTokens: NEW_TOKENS,
    miniBatchSize: 16,
    gradientAccumulationSteps: 4,
    ppoEpochs: 1,
    stopKL: 0,
    lora: { rank: 16, alpha: 32, targets: ['all-linear'], rankStabilised: false },
  }
  const learner = openLearner({ engine, model: { architecture, weights }, config, seed: 1 })
  const prompts = Array.from({ length: ROLLOUTS }, (_, i) =>
    Array.from({ length: PROMPT_TOKENS }, (_, t) => (7_919 * (i + 1) * (t + 1)) % architecture.vocabSize),
  )
  const speeds: Omit<LoraBench, 'peakMiB' | 'heldMiB'>[] = []
  // The first step, which compiles and allocates, is not counted.
  for (let step = 0; step < 3; step++) {
    const began = performance.now()
    const sampled = await learner.sample(prompts, { seeds: prompts.map((_, i) => 100 * step + i) })
    const drawn = performance.now()
    const rollouts = sampled.map((one, i) => ({ ...one, sampleId: String(i), prompt: '', response: '' }))
    const references = await learner.reference(rollouts)
    const scored = performance.now()
    await learner.update(
      rollouts,
      rollouts.map(({ responseIds }) => responseIds.filter((id) => id % 2 === 0).length / responseIds.length),
      { references },
    )
    const perSecond = (tokens: number, from: number, to: number): number => (1_000 * tokens) / (to - from)
    const tokens = ROLLOUTS * (PROMPT_TOKENS + NEW_TOKENS)
    speeds.push({
      sampling: perSecond(ROLLOUTS * NEW_TOKENS, began, drawn),
      reference: perSecond(tokens, drawn, scored),
      update: perSecond(tokens, scored, performance.now()),
    })
  }
  const last = speeds[speeds.length - 1]!
  const figures: LoraBench = { ...last, heldMiB: Math.round(engine.states.bytes / 2 ** 20), peakMiB: peak() }
  await learner.close()
  await engine.close()
  console.log(JSON.stringify(figures))
}

await main()
