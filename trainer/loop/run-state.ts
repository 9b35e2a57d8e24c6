/**
 * A run, and what its checkpoint holds of it. With the run's configuration, which never changes, and its
 * base model, whose files' fingerprint is checked, that is the complete state: resuming from it gives the weights of
 * an uninterrupted run.
 *
 * | what | where |
 * |---|---|
 * | policy, value head, Adam's moments | `learner/…` (rl/state.ts) |
 * | KL controller, optimizer steps, policy version | `learner` |
 * | reward model, what it reads of every sample | `reward/…` (reward/model.ts) |
 * | reward normaliser | the reference's outputs, `reference/features` and `reference`: refitted on them each step |
 * | the watch's evidence, and for how long updates have changed nothing | `state.evidence`, `state.idle` |
 * | floors' multipliers, measured KL | `state.steering` (reward/steering.ts) |
 * | what the watch over the regulars remembers | `state.regulars` |
 * | random states | none: every stream is seeded by (seed, step, place), and `learner.seed` is checked |
 * | prompt sampler's position | `state.step`: batch t begins after the t - 1 before it in the seeded order (prompts.ts) |
 * | the answers that people vote on | in Postgres, as they were sampled: what was shown stays, whatever becomes of a step |
 * | votes already used | in Postgres: receipts up to `state.step` |
 */
import { z } from 'zod'
import type { TrainingConfig } from '../../core/protocol/index.ts'
import { LEARNER_STATES, type Checkpoint } from './checkpoint.ts'
import type { Engine } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { learnerConfig, rewardModelConfig } from './configuration.ts'
import { ModelChanged, fingerprintOf } from '../../lm/files/fingerprint.ts'
import { readModel } from '../../lm/files/directory.ts'
import { openPromptTokenizer, type PromptTokenizer } from '../../lm/text/prompt-tokenizer.ts'
import { readSplitPrompts, type PromptSource } from './prompts.ts'
import { noRegulars, Regulars } from './regulars.ts'
import { shapeOf, type Shape } from '../reward/drift.ts'
import { noEvidence, type Evidence } from '../reward/evidence.ts'
import { openRewardModel, type RewardModel } from '../reward/model.ts'
import { noSteering, Steering } from '../reward/steering.ts'
import { exportEvaluation, importEvaluation, SavedEvaluation, type EvaluationState } from '../evaluation/state.ts'
import { openLearner, type Learner } from '../rl/learner.ts'
import type { LearnerState } from '../rl/state.ts'
import { seedOf } from '../rl/random.ts'

/** An output of the reference policy, and its features for the reward model. */
export interface ReferenceOutput extends Shape {
  features: Float32Array
}

/** A run: its opened models and its state. */
export interface Run {
  sessionId: string
  config: TrainingConfig
  /** Of the base model's files. */
  fingerprint: string
  tokenizer: PromptTokenizer
  /** Those that the run trains on. */
  prompts: PromptSource
  /** Those that it never trains on, in the order in which an evaluation takes them. */
  heldOut: readonly string[]
  learner: Learner
  rewardModel: RewardModel
  /** Outputs of the reference policy: the baseline for normalising rewards and measuring drift. */
  reference: ReferenceOutput[]
  /** What it keeps from one evaluation to the next; null: it is not evaluated. Undoing steps leaves it as it is. */
  evaluation: EvaluationState | null
  state: {
    /** The last step that was made; 0 before the first. */
    step: number
    /** The evidence of reward hacking so far (reward-hacking-watch.ts). */
    evidence: Evidence
    /** How reliable the regulars were in the latest steps (regulars.ts). */
    regulars: Regulars
    /** The floors' multipliers and the measured KL (reward/steering.ts). */
    steering: Steering
    /** `rewardScore` of the latest steps, oldest first. */
    rewards: number[]
    /** Steps in a row, up to the last one, whose votes changed nothing (idle-steps.ts). */
    idle: number
  }
  close(): Promise<void>
}

/** Outputs of the reference policy that are kept. */
const referenceCount = 64
/** Separates their random streams from the steps', which count from 1. */
const referenceStream = 0

/**
 * Opens a run at its last checkpoint, or at its start. @throws ModelChanged if it started from another model or
 * other prompts
 */
export async function openRun(from: {
  sessionId: string
  config: TrainingConfig
  modelDir: string
  saved: Checkpoint | null
  engine?: Engine
}): Promise<Run> {
  const { sessionId, config, modelDir, saved } = from
  const { seed } = config.live
  const fingerprint = await fingerprintOf(modelDir)
  const begun = saved && unpack(saved)
  if (begun && begun.json.model !== fingerprint) {
    throw new ModelChanged(
      'The model’s files are not those that this run began on. Put them back as they were and resume, or start a new run.',
    )
  }
  const model = await readModel(modelDir)
  const tokenizer = await openPromptTokenizer(modelDir)
  const { training: prompts, heldOut } = await readSplitPrompts(modelDir, config.validationSplit)
  const engine = from.engine ?? (await openOnnx())
  const learner = openLearner({ engine, model, config: learnerConfig(config), seed })
  const width = 2 * model.architecture.width
  const rewardConfig = rewardModelConfig(config)
  const close = async (): Promise<void> => {
    await learner.close()
    await engine.close()
  }
  const opened = { sessionId, config, fingerprint, tokenizer, prompts, heldOut, learner, close }
  if (saved && begun) {
    const features = rowsOf(begun.arrays('reference/').get('features'), width)
    const reference = begun.json.reference.map((shape, i) => ({ ...shape, features: features[i]! }))
    const { evaluation: kept } = begun.json
    const evaluation = kept && importEvaluation(kept, begun.arrays('evaluation/'))
    return { ...opened, reference, evaluation, ...restored(opened, saved) }
  }
  const rewardModel = openRewardModel(rewardConfig, width, seed)
  const reference = await referenceOutputs({ learner, tokenizer, prompts, seed })
  rewardModel.features.fitScale(reference.map(({ features }) => features))
  const state = {
    step: 0,
    evidence: noEvidence(),
    regulars: noRegulars(),
    steering: noSteering(),
    rewards: [],
    idle: 0,
  }
  return { ...opened, rewardModel, reference, evaluation: null, state }
}

/** Puts a run back to a state that it exported, as if it had never gone on. */
export function restoreRun(run: Run, saved: Checkpoint): void {
  Object.assign(run, restored(run, saved))
}

/** The learner's part of an exported state. */
export function learnerStateOf(saved: Checkpoint): LearnerState {
  const { json, arrays } = unpack(saved)
  return { arrays: arrays(LEARNER_STATES), json: json.learner }
}

function restored(
  { learner, config }: Pick<Run, 'learner' | 'config'>,
  saved: Checkpoint,
): Pick<Run, 'rewardModel' | 'state'> {
  const { json, arrays } = unpack(saved)
  learner.importState(learnerStateOf(saved))
  const reward = { arrays: arrays('reward/'), json: json.reward }
  return {
    rewardModel: openRewardModel(rewardModelConfig(config), json.reward.width, config.live.seed, reward),
    state: json.state,
  }
}

/** The state that `openRun` resumes from. */
export async function exportRun({
  fingerprint,
  learner,
  rewardModel,
  reference,
  evaluation,
  state: { step, evidence, regulars, steering, rewards, idle },
}: Run): Promise<Checkpoint> {
  const policy = await learner.exportState()
  const reward = rewardModel.exportState()
  const tensors: Checkpoint['tensors'] = new Map()
  const put = (prefix: string, arrays: Iterable<[string, Float32Array]>): void => {
    for (const [name, data] of arrays) tensors.set(prefix + name, { shape: [data.length], data })
  }
  put(LEARNER_STATES, policy.arrays)
  put('reward/', reward.arrays)
  put('reference/', [['features', flat(reference.map(({ features }) => features))]])
  const evaluated = evaluation && exportEvaluation(evaluation)
  if (evaluated) put('evaluation/', evaluated.arrays)
  const saved: z.input<typeof SavedRun> = {
    model: fingerprint,
    learner: policy.json,
    reward: reward.json,
    reference: reference.map(({ tokens, repetition }) => ({ tokens, repetition })),
    evaluation: evaluated && evaluated.json,
    // In the order of the schema, so that a run that was read back writes the same bytes.
    state: { step, evidence, regulars, steering, rewards, idle },
  }
  return { tensors, state: saved }
}

/** The initial policy is the reference. */
async function referenceOutputs(
  run: Pick<Run, 'learner' | 'tokenizer' | 'prompts'> & { seed: number },
): Promise<ReferenceOutput[]> {
  const { learner, tokenizer, prompts, seed } = run
  const drawn = prompts.draw(0, referenceCount, seedOf(seed, referenceStream))
  const seeds = drawn.map((_, i) => seedOf(seed, referenceStream, i))
  const samples = await learner.sample(drawn.map(tokenizer.encodePrompt), { seeds })
  const rollouts = samples.map((sample, i) => ({
    ...sample,
    sampleId: `reference/${i}`,
    prompt: drawn[i]!,
    response: '',
  }))
  const views = await learner.reference(rollouts)
  return rollouts.map(({ responseIds }, i) => ({ ...shapeOf(responseIds), features: views[i]!.features }))
}

const numbers = z.array(z.number())
const signEvidence = z.object({ sum: z.number(), warned: z.boolean() })
const SavedRun = z.object({
  model: z.string(),
  learner: z.object({ version: z.int(), klCoefficient: z.number(), optimizerSteps: z.int(), seed: z.int() }),
  reward: z.object({ seed: z.int(), width: z.int(), heads: z.array(z.string()), sampleIds: z.array(z.string()) }),
  reference: z.array(z.object({ tokens: z.int(), repetition: z.number() })),
  evaluation: SavedEvaluation.nullable().default(null),
  state: z.object({
    step: z.int(),
    evidence: z.object({ level: signEvidence, order: signEvidence, length: signEvidence, repetition: signEvidence }),
    // Absent from checkpoints of runs that began before the regulars were watched, and without times in some.
    regulars: Regulars.catch(noRegulars),
    // Nor were there floors and a KL budget.
    steering: Steering.default(noSteering),
    rewards: numbers,
    // Checkpoints from before this was watched have none.
    idle: z.int().default(0),
  }),
})

function unpack({ tensors, state }: Checkpoint) {
  return {
    json: SavedRun.parse(state),
    arrays(prefix: string): Map<string, Float32Array> {
      const found = new Map<string, Float32Array>()
      for (const [name, { data }] of tensors) {
        if (name.startsWith(prefix) && data instanceof Float32Array) found.set(name.slice(prefix.length), data)
      }
      return found
    },
  }
}

function flat(rows: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(rows.reduce((n, row) => n + row.length, 0))
  rows.forEach((row, i) => all.set(row, i * row.length))
  return all
}

function rowsOf(all: Float32Array | undefined, width: number): Float32Array[] {
  if (!all || all.length % width !== 0) throw new Error('the checkpoint holds no reference features of this model')
  return Array.from({ length: all.length / width }, (_, i) => all.slice(i * width, (i + 1) * width))
}
