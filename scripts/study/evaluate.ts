/**
 * How good a policy truly is: its answers to prompts that its run never drew, judged by the hidden oracle. The base and
 * the trained policy answer the same prompts with the same random numbers.
 *
 * Held out twice over: most figures are on prompts of the language that the base was pretrained on which are not among
 * the run's; `strange` is on pairings of trouble and detail that pretraining never saw either, and where the base
 * itself reads less well.
 */
import { heldOutPrompts, trainPrompts } from '../pretrain/prompts.ts'
import { rate } from '../pretrain/oracle.ts'
import { LEARNER_STATES, type Checkpoint } from '../../trainer/loop/checkpoint.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { readModel } from '../../lm/files/directory.ts'
import type { LoraConfig } from '../../lm/architectures/lora.ts'
import { openPromptTokenizer } from '../../lm/text/prompt-tokenizer.ts'
import { readPrompts } from '../../trainer/loop/prompts.ts'
import { TrainingConfig } from '../../core/protocol/index.ts'
import { learnerConfig } from '../../trainer/loop/configuration.ts'
import { openLearner } from '../../trainer/rl/learner.ts'
import { heldPolicy, loadPolicy } from '../../trainer/rl/policy.ts'
import { seedOf } from '../../trainer/rl/random.ts'
import { asHeld } from '../../trainer/rl/state.ts'
import { mean, standardError } from '../../core/statistics.ts'

/** Means over the answers; `…Error` is a standard error over the prompts, whose answers are not independent. */
export interface Evaluation {
  prompts: number
  answers: number
  compassion: number
  compassionError: number
  usefulness: number
  /** Share of the answers that are readable sentences on topic. */
  readable: number
  /** KL to the base, nats per answer. */
  kl: number
  /** Mean compassion for each prompt, in the order of the prompts. */
  byPrompt: number[]
  /** As many answers each to prompts that are new to the base, too; NaN without any. */
  strange: { compassion: number; readable: number }
}

export interface Evaluator {
  /** The base's own weights, or those of a run's checkpoint. */
  evaluate: (weights: 'base' | Checkpoint) => Promise<Evaluation>
  close: () => Promise<void>
}

export interface EvaluatorOptions {
  /** The base model's directory. */
  modelDir: string
  temperature: number
  maxNewTokens: number
  /** The run's adapters, if it trained any. */
  lora?: LoraConfig | null
  seed: number
  prompts?: number
  answersPerPrompt?: number
  /** Prompts that are new to the base as well; 0 judges on none. */
  strangePrompts?: number
  /** Of the engine; as many as there are cores by default. */
  threads?: number
}

export async function openEvaluator(options: EvaluatorOptions): Promise<Evaluator> {
  const { modelDir, temperature, maxNewTokens, seed, threads } = options
  const { prompts: count = 64, answersPerPrompt = 4, strangePrompts = STRANGE } = options
  const model = await readModel(modelDir)
  const tokenizer = await openPromptTokenizer(modelDir)
  const engine = await openOnnx({ threads })
  const config = { ...learnerConfig(TrainingConfig.parse({})), temperature, maxNewTokens, lora: options.lora ?? null }
  const learner = openLearner({ engine, model, config, seed })
  const policy = heldPolicy(model.architecture, { valueHead: false, lora: config.lora })
  const prompts = await newToTheRun(modelDir, seed, count)
  const strange = strangePrompts === 0 ? [] : heldOutPrompts(seed, strangePrompts)
  const promptIds = prompts.map(tokenizer.encodePrompt)

  const load = ({ tensors }: Checkpoint) => {
    for (const [name, shape] of policy.trained) {
      const tensor = tensors.get(LEARNER_STATES + name)
      if (!(tensor?.data instanceof Float32Array)) throw new Error(`the checkpoint lacks ${LEARNER_STATES}${name}`)
      engine.states.set(name, shape, asHeld(policy, name, tensor.data))
    }
  }

  const answerStrange = async (): Promise<Evaluation['strange']> => {
    if (strange.length === 0) return { compassion: Number.NaN, readable: Number.NaN }
    const ratings: ReturnType<typeof rate>[] = []
    for (let round = 0; round < answersPerPrompt; round++) {
      const sampled = await learner.sample(strange.map(tokenizer.encodePrompt), {
        seeds: strange.map((_, i) => seedOf(seed, STRANGE, round, i)),
      })
      for (const [i, { responseIds }] of sampled.entries())
        ratings.push(rate(strange[i]!, tokenizer.decodeResponse(responseIds)))
    }
    return {
      compassion: mean(ratings.map((r) => r.compassion)),
      readable: mean(ratings.map((r) => (r.readable ? 1 : 0))),
    }
  }

  return {
    async evaluate(weights) {
      if (weights === 'base') loadPolicy(engine.states, model, policy, seed)
      else load(weights)
      const ratings: ReturnType<typeof rate>[][] = prompts.map(() => [])
      const kls: number[] = []
      for (let round = 0; round < answersPerPrompt; round++) {
        const sampled = await learner.sample(promptIds, { seeds: prompts.map((_, i) => seedOf(seed, round, i)) })
        const rollouts = sampled.map((sample, i) => {
          const response = tokenizer.decodeResponse(sample.responseIds)
          ratings[i]!.push(rate(prompts[i]!, response))
          return { ...sample, sampleId: `held-out/${round}/${i}`, prompt: prompts[i]!, response }
        })
        for (const [i, { logprobs }] of (await learner.reference(rollouts)).entries()) {
          kls.push(rollouts[i]!.logprobs.reduce((sum, logprob, t) => sum + logprob - logprobs[t]!, 0))
        }
      }
      const all = ratings.flat()
      const byPrompt = ratings.map((answers) => mean(answers.map((rating) => rating.compassion)))
      return {
        prompts: prompts.length,
        answers: all.length,
        compassion: mean(byPrompt),
        compassionError: standardError(byPrompt),
        usefulness: mean(all.map((rating) => rating.usefulness)),
        readable: mean(all.map((rating) => (rating.readable ? 1 : 0))),
        kl: mean(kls),
        byPrompt,
        strange: await answerStrange(),
      }
    },
    async close() {
      await learner.close()
      await engine.close()
    },
  }
}

/** Prompts that are new to the base as well. */
const STRANGE = 96

/** Prompts like the run's, but none of them. */
export async function newToTheRun(modelDir: string, seed: number, count: number): Promise<string[]> {
  const source = await readPrompts(modelDir)
  const drawn = new Set(source.draw(0, source.size, 0))
  return trainPrompts(seedOf(seed, STRANGE), count + source.size)
    .filter((prompt) => !drawn.has(prompt))
    .slice(0, count)
}

/**
 * By how much one evaluation is more compassionate than another on the same prompts, with the standard error of that.
 */
export function compassionChange(before: Evaluation, after: Evaluation): { mean: number; error: number } {
  const changes = after.byPrompt.map((compassion, i) => compassion - before.byPrompt[i]!)
  return { mean: mean(changes), error: standardError(changes) }
}
