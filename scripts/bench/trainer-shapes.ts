/** What the trainer's speed is measured on: three sizes of GPT-2's architecture, with random weights. */
import type { Gpt2Config } from '../../lm/architectures/gpt2-config.ts'

export interface Shape {
  config: Gpt2Config
  /** Answers that are sampled at once, each of this many new tokens. */
  sequences: number
  newTokens: number
  /** Of a training step. */
  rows: number
  length: number
}

/** Minimum duration of the repeated passes, seconds: the first few short ones measure compilers and clocks. */
export const LEAST_SECONDS = 3

/** Tokens of every prompt. */
export const PROMPT_TOKENS = 12

const plain = { epsilon: 1e-5, bosToken: null, eosToken: null, padToken: null }
const demo = { ...plain, vocabSize: 1_280, context: 128, width: 160, layers: 4, heads: 4, inner: 640 }
const small = { ...plain, vocabSize: 2_048, context: 128, width: 256, layers: 4, heads: 8, inner: 1_024 }
const gpt2 = { ...plain, vocabSize: 50_257, context: 1_024, width: 768, layers: 12, heads: 12, inner: 3_072 }

export const SHAPES: Readonly<Record<'demo' | '3.7M' | 'GPT-2 124M', Shape>> = {
  demo: { config: demo, sequences: 128, newTokens: 48, rows: 32, length: 64 },
  '3.7M': { config: small, sequences: 64, newTokens: 48, rows: 16, length: 128 },
  'GPT-2 124M': { config: gpt2, sequences: 16, newTokens: 16, rows: 4, length: 128 },
}

/**
 * The same model on fewer rows, so that TensorFlow.js's backends finish within a minute: more rows gain them nothing.
 */
export const lessened = (shape: Shape): Shape => ({ ...shape, sequences: 4, rows: shape.rows / 8 })

export type Work = 'sampling' | 'update'

/** Sampling depends on how many answers are drawn at once: a rater's own prompt is one. */
const FEWER = [1, 4, 16]

/** Everything that is measured, at full size and with fewer answers at once. */
export const CASES: readonly { model: string; work: Work; shape: Shape; fewer: boolean }[] = Object.entries(
  SHAPES,
).flatMap(([model, shape]) => [
  { model, work: 'sampling', shape, fewer: false },
  ...(model === '3.7M'
    ? FEWER.map((sequences) => ({
        model: `${model}, ${sequences} at once`,
        work: 'sampling' as const,
        shape: { ...shape, sequences },
        fewer: true,
      }))
    : []),
  { model, work: 'update', shape, fewer: false },
])

/** New tokens of a batch of answers, or all tokens of a training step. */
export const tokensOf = ({ sequences, newTokens, rows, length }: Shape, work: Work): number =>
  work === 'sampling' ? sequences * newTokens : rows * length
