/**
 * The angles of rotary position embeddings, as transformers 5 computes them (its
 * `modeling_rope_utils.py`), in float32 where it uses float32: position · frequency.
 */
import { z } from 'zod'
import {
  add,
  cast,
  constant,
  cos,
  exp,
  log,
  maximum,
  mul,
  reduceMax,
  reshape,
  sin,
  sub,
  type Tensor,
} from '../graph/index.ts'

const positive = z.number().positive()
const scalings = {
  default: z.looseObject({ rope_type: z.literal('default') }),
  /** Chen et al. 2023: every frequency divided by `factor`. */
  linear: z.looseObject({ rope_type: z.literal('linear'), factor: positive }),
  /** bloc97 and emozilla, 2023: a larger base for sequences longer than those of training. */
  dynamic: z.looseObject({ rope_type: z.literal('dynamic'), factor: positive }),
  /** Llama 3.1: low frequencies divided by `factor`, high ones kept, those between blended. */
  llama3: z
    .looseObject({
      rope_type: z.literal('llama3'),
      factor: positive,
      low_freq_factor: positive,
      high_freq_factor: positive,
      original_max_position_embeddings: z.int().positive().optional(),
    })
    .refine(({ low_freq_factor: low, high_freq_factor: high }) => low < high, {
      path: ['high_freq_factor'],
      message: 'must be greater than low_freq_factor',
    }),
  /** Peng et al. 2023. */
  yarn: z.looseObject({
    rope_type: z.literal('yarn'),
    factor: positive.nullish(),
    original_max_position_embeddings: z.int().positive().optional(),
    attention_factor: positive.nullish(),
    beta_fast: positive.nullish(),
    beta_slow: positive.nullish(),
    mscale: z.number().nullish(),
    mscale_all_dim: z.number().nullish(),
    truncate: z.boolean().nullish(),
  }),
}

/** `rope_parameters` of a `config.json`. */
export const ropeSchema = z
  .looseObject({
    rope_theta: positive,
    partial_rotary_factor: z.literal(1).optional(),
  })
  .and(
    z.discriminatedUnion('rope_type', [
      scalings.default,
      scalings.linear,
      scalings.dynamic,
      scalings.llama3,
      scalings.yarn,
    ]),
  )

type Parameters = z.infer<typeof ropeSchema>
type Yarn = z.infer<typeof scalings.yarn>
type Llama3 = z.infer<typeof scalings.llama3>

/** A model's rotary embedding: `depth` is a head's, `positions` the configuration's `max_position_embeddings`. */
export interface Rope {
  parameters: Parameters
  depth: number
  positions: number
}

/** cos and sin of every angle, [B, 1, T, D/2], for positions [B, T] (or [1, T]). */
export function rotations(rope: Rope, positions: Tensor): { cos: Tensor; sin: Tensor } {
  const [batch = 0, length = 0] = positions.shape
  const { values, attention } = frequencies(rope)
  const at = reshape(cast(positions, 'float32'), [batch, 1, length, 1])
  const angles = mul(at, mul(constant(values, [values.length]), stretch(rope, at))) // [B, 1, T, D/2]
  const scaled = (x: Tensor): Tensor => (attention === 1 ? x : mul(x, attention))
  return { cos: scaled(cos(angles)), sin: scaled(sin(angles)) }
}

/** Longest sequence that the embedding supports, in tokens. */
export function ropeContext({ parameters, positions }: Rope): number {
  return parameters.rope_type === 'dynamic' ? Math.floor(parameters.factor * positions) : positions
}

/** Angle per position, radians, of each of the D/2 pairs, and a factor on every cos and sin. */
export function frequencies(rope: Rope): { values: Float32Array; attention: number } {
  const { parameters, depth, positions } = rope
  const base = Float32Array.from(
    { length: depth / 2 },
    (_, i) => 1 / Math.fround(parameters.rope_theta ** Math.fround((2 * i) / depth)),
  )
  switch (parameters.rope_type) {
    case 'default':
    case 'dynamic':
      return { values: base, attention: 1 }
    case 'linear':
      return { values: base.map((f) => f / parameters.factor), attention: 1 }
    case 'llama3':
      return {
        values: base.map((f) => llama3(f, parameters, parameters.original_max_position_embeddings ?? positions)),
        attention: 1,
      }
    case 'yarn':
      return yarn(base, parameters, rope)
  }
}

/** The factor on a dynamic embedding's frequencies, which depends on the batch's last position. */
function stretch({ parameters, depth, positions }: Rope, at: Tensor): Tensor {
  if (parameters.rope_type !== 'dynamic') return constant(1)
  const { factor } = parameters
  const length = maximum(add(reduceMax(at), 1), positions)
  const growth = sub(mul(length, factor / positions), factor - 1) // 1 up to `positions`
  return exp(
    mul(
      log(growth),
      constant(
        Float32Array.from({ length: depth / 2 }, (_, i) => (-2 * i) / (depth - 2)),
        [depth / 2],
      ),
    ),
  )
}

function llama3(
  frequency: number,
  { factor, low_freq_factor: low, high_freq_factor: high }: Llama3,
  trained: number,
): number {
  const turns = (trained * frequency) / (2 * Math.PI) // within the training length
  if (turns < low) return frequency / factor
  if (turns > high) return frequency
  const smooth = (turns - low) / (high - low)
  return ((1 - smooth) * frequency) / factor + smooth * frequency
}

function yarn(
  base: Float32Array,
  parameters: Parameters & Yarn,
  { depth, positions }: Rope,
): { values: Float32Array; attention: number } {
  const trained = parameters.original_max_position_embeddings ?? positions
  const factor = parameters.factor ?? positions / trained
  /** The pair that makes this many rotations within the training length. */
  const pairOf = (turns: number): number =>
    (depth * Math.log(trained / (turns * 2 * Math.PI))) / (2 * Math.log(parameters.rope_theta))
  const whole = parameters.truncate ?? true
  const fast = pairOf(parameters.beta_fast || 32)
  const slow = pairOf(parameters.beta_slow || 1)
  const low = Math.max(whole ? Math.floor(fast) : fast, 0)
  const high = Math.min(whole ? Math.ceil(slow) : slow, depth - 1)
  const span = low === high ? 0.001 : high - low
  const values = base.map((frequency, pair) => {
    const interpolated = Math.min(1, Math.max(0, (pair - low) / span))
    return (interpolated * frequency) / factor + (1 - interpolated) * frequency
  })
  return { values, attention: parameters.attention_factor ?? yarnAttention(factor, parameters) }
}

function yarnAttention(factor: number, { mscale, mscale_all_dim: all }: Yarn): number {
  const scale = (by: number): number => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1)
  return mscale && all ? scale(mscale) / scale(all) : scale(1)
}
