/**
 * The algorithms that a run can be trained with, as all parts need to know them: their own settings, and
 * which of the shared ones they read. How each learns is in trainer/rl/algorithms, under the same name.
 */
import { z } from 'zod'

/** What is known of an algorithm. Its settings are in a run's configuration as `<name>Config`. */
interface AlgorithmFacts {
  label: string
  /** How it learns, in a clause for people. */
  explain: string
  /** Its own settings; null if `ppoConfig` has them all. `groupSize` among them is answers to each prompt. */
  config: z.ZodObject | null
  /** Answers that a minibatch must keep together: 2 for a pair. */
  rows: 1 | 2
  /** Whether it clips the ratio of policies and adds an entropy bonus: `ppoConfig.clipRatio`, `entropyCoefficient`. */
  clips: boolean
  /** Whether it trains a value head: `ppoConfig.valueClipRatio`, `valueCoefficient`. */
  valueHead: boolean
  /** Why it doesn't work with a KL coefficient of 0; null: it does. */
  needsKl: string | null
}

export const algorithms = {
  ppo: {
    label: 'PPO',
    explain: 'from each answer’s reward, by a value head',
    config: null,
    rows: 1,
    clips: true,
    valueHead: true,
    needsKl: null,
  },
  grpo: {
    label: 'GRPO',
    explain: 'from how the answers to one prompt compare',
    config: z.object({
      /** Answers to each prompt, which are compared with each other. */
      groupSize: z.int().min(2).max(64).default(4),
      /**
       * What an answer's difference from its group's mean is divided by: the group's deviation, the batch's, or
       * nothing.
       */
      scaleRewards: z.enum(['group', 'batch', 'none']).default('batch'),
      /**
       * How the loss is averaged over tokens: by answer (grpo), over all tokens (dapo), or by the longest length
       * (dr_grpo).
       */
      lossType: z.enum(['grpo', 'dapo', 'dr_grpo']).default('dapo'),
    }),
    rows: 1,
    clips: true,
    valueHead: false,
    needsKl: null,
  },
  dpo: {
    label: 'DPO',
    explain: 'from pairs of answers to one prompt',
    config: z.object({
      /** Answers to each prompt, which are paired: best with worst, and so on. Even. */
      groupSize: z.int().min(2).max(64).multipleOf(2).default(4),
      /** How certain a pair's label is: by the difference of its rewards (soft), or fully (hard). */
      labels: z.enum(['soft', 'hard']).default('soft'),
    }),
    rows: 2,
    clips: false,
    valueHead: false,
    needsKl: 'DPO needs a KL coefficient above 0: its rewards are multiples of it',
  },
} as const satisfies Record<string, AlgorithmFacts>

export type AlgorithmName = keyof typeof algorithms
export const algorithmNames = Object.keys(algorithms) as [AlgorithmName, ...AlgorithmName[]]
export const factsOf = (name: AlgorithmName): AlgorithmFacts => algorithms[name]

/** Those with settings of their own. */
type Configured = { [K in AlgorithmName]: (typeof algorithms)[K]['config'] extends null ? never : K }[AlgorithmName]
type SchemaOf<K extends Configured> = NonNullable<(typeof algorithms)[K]['config']>
/** An algorithm's own settings, defaults filled in. */
export type AlgorithmConfig<K extends AlgorithmName> = K extends Configured ? z.output<SchemaOf<K>> : object

/** Each algorithm's settings by their name in a run's configuration. */
export const algorithmConfigs = Object.fromEntries(
  algorithmNames.flatMap((name) => {
    const { config } = factsOf(name)
    return config === null ? [] : [[`${name}Config`, config.prefault({})]]
  }),
) as { [K in Configured as `${K}Config`]: z.ZodPrefault<SchemaOf<K>> }

/** A run's settings for its algorithm; nothing for one that has none. */
export const ownConfig = (run: { algorithm: AlgorithmName }): object =>
  factsOf(run.algorithm).config === null ? {} : ((run as Record<string, unknown>)[`${run.algorithm}Config`] as object)

/** Answers to each prompt of a step, for an algorithm and its own settings; absent ones take their default. */
export function groupSizeOf(name: AlgorithmName, own: object): number {
  const { groupSize = 1 }: { groupSize?: number } = { ...factsOf(name).config?.parse({}), ...own }
  return groupSize
}
