/** Reads the `config.json` of a model of the Llama kind, by family. */
import { z } from 'zod'
import { ropeContext, ropeSchema, type Rope } from './rope.ts'
import { sizeLimits, sizes } from './sizes.ts'

/** Everything by which the families differ. */
export interface LlamaConfig {
  vocabSize: number
  /** Longest sequence, in tokens. */
  context: number
  width: number
  layers: number
  heads: number
  keyValueHeads: number
  headDepth: number
  /** Width of the MLP's hidden layer. */
  inner: number
  epsilon: number
  /** Whether the head is the token embedding. */
  tied: boolean
  bias: { queryKeyValue: boolean; output: boolean; mlp: boolean }
  /** Whether each head's queries and keys are normalised before the rotation. */
  headNorms: boolean
  rope: Rope
  /** Per layer: whether it rotates queries and keys, and its attention window in tokens (null: unlimited). */
  layerKinds: readonly { rotary: boolean; window: number | null }[]
  initialDeviation: number
  eosTokens: readonly number[]
}

const shared = z.looseObject({
  vocab_size: sizes.vocabulary,
  hidden_size: sizes.width,
  intermediate_size: sizes.width,
  num_hidden_layers: sizes.layers,
  num_attention_heads: sizes.heads,
  num_key_value_heads: sizes.heads.nullish(),
  head_dim: sizes.width.nullish(),
  max_position_embeddings: sizes.context,
  hidden_act: z.enum(['silu', 'swish']).default('silu'),
  rms_norm_eps: z.number().positive().default(1e-6),
  initializer_range: z.number().positive().default(0.02),
  tie_word_embeddings: z.boolean().optional(),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  sliding_window: sizes.context.nullish(),
  use_sliding_window: z.boolean().default(false),
  max_window_layers: z.int().nonnegative().default(28),
  layer_types: z.array(z.enum(['full_attention', 'sliding_attention'])).nullish(),
  no_rope_layers: z.array(z.union([z.literal(0), z.literal(1)])).nullish(),
  no_rope_layer_interval: sizes.layers.default(4),
  rope_parameters: z.record(z.string(), z.unknown()).nullish(),
  rope_theta: z.number().optional(),
  partial_rotary_factor: z.literal(1).optional(),
  original_max_position_embeddings: sizes.context.optional(),
  rope_scaling: z.record(z.string(), z.unknown()).nullish(),
  eos_token_id: z.union([z.int().nonnegative(), z.array(z.int().nonnegative())]).nullish(),
})
type Shared = z.infer<typeof shared>

/** How the families interpret the same fields; the defaults are those of transformers' configuration classes. */
interface Family {
  /** If the file has no such field; an explicit null means as many as query heads. */
  keyValueHeads?: number
  headDepth?: number
  tied?: boolean
  theta?: number
  eosToken?: number
  /** Fixed by the family, whatever the file says. */
  queryKeyValueBias?: boolean
  headNorms?: boolean
  rotates?: (c: Shared, layer: number) => boolean
  window?: (c: Shared, layer: number) => number | null
}

const families = {
  llama: { eosToken: 2 },
  mistral: { keyValueHeads: 8, eosToken: 2, window: (c) => (c.sliding_window === undefined ? 4096 : c.sliding_window) },
  qwen2: { keyValueHeads: 32, queryKeyValueBias: true, window: upperLayersSlide },
  qwen3: { keyValueHeads: 32, headDepth: 128, headNorms: true, window: upperLayersSlide },
  smollm3: {
    keyValueHeads: 4,
    tied: true,
    theta: 2_000_000,
    eosToken: 128_001,
    rotates: layerRotates,
    window: (c, layer) => slides(c, layer, () => !layerRotates(c, layer)),
  },
} satisfies Record<string, Family>

export type LlamaFamily = keyof typeof families
export const llamaFamilies = Object.keys(families) as LlamaFamily[]

/** @throws z.ZodError naming the fields that are missing, or that ask for what this graph does not implement. */
export function llamaConfig(type: LlamaFamily, json: unknown): LlamaConfig {
  const family: Family = families[type]
  const c = shared.superRefine((fields, context) => checkSizes(fields, family, context)).parse(json)
  const headDepth = depthOf(c, family)
  const rope = { parameters: ropeParameters(c, family), depth: headDepth, positions: c.max_position_embeddings }
  return {
    vocabSize: c.vocab_size,
    width: c.hidden_size,
    layers: c.num_hidden_layers,
    heads: c.num_attention_heads,
    context: checkedContext(rope),
    keyValueHeads: keyValueHeadsOf(c, family),
    headDepth,
    inner: c.intermediate_size,
    epsilon: c.rms_norm_eps,
    tied: c.tie_word_embeddings ?? family.tied ?? false,
    bias: {
      queryKeyValue: family.queryKeyValueBias ?? c.attention_bias,
      output: !family.queryKeyValueBias && c.attention_bias,
      mlp: c.mlp_bias,
    },
    headNorms: family.headNorms ?? false,
    rope,
    layerKinds: Array.from({ length: c.num_hidden_layers }, (_, layer) => ({
      rotary: family.rotates?.(c, layer) ?? true,
      window: family.window?.(c, layer) ?? null,
    })),
    initialDeviation: c.initializer_range,
    eosTokens: tokensOf(c.eos_token_id === undefined ? family.eosToken : c.eos_token_id),
  }
}

/** The context, which a dynamic embedding multiplies by a factor from the file. */
function checkedContext(rope: Rope): number {
  const context = ropeContext(rope)
  if (context >= 1 && context <= sizeLimits.context) return context
  throw new z.ZodError([
    {
      code: 'custom',
      path: ['rope_parameters', 'factor'],
      message: `makes a context of ${context} tokens; at most ${sizeLimits.context} are read`,
      input: context,
    },
  ])
}

function tokensOf(token: number | readonly number[] | null | undefined): readonly number[] {
  return token === null || token === undefined ? [] : typeof token === 'number' ? [token] : token
}

function depthOf(c: Shared, family: Family): number {
  return c.head_dim ?? family.headDepth ?? c.hidden_size / c.num_attention_heads
}

function keyValueHeadsOf({ num_key_value_heads: given, num_attention_heads: heads }: Shared, family: Family): number {
  return given === undefined ? (family.keyValueHeads ?? heads) : (given ?? heads)
}

function checkSizes(c: Shared, family: Family, context: z.RefinementCtx): void {
  const wrong = (path: keyof Shared & string, message: string): void =>
    context.addIssue({ code: 'custom', path: [path], message })
  const depth = depthOf(c, family)
  if (depth % 2 !== 0)
    wrong(c.head_dim ? 'head_dim' : 'num_attention_heads', `a head of depth ${depth} cannot be rotated in pairs`)
  if (c.num_attention_heads % keyValueHeadsOf(c, family) !== 0)
    wrong('num_key_value_heads', 'does not divide num_attention_heads')
  for (const list of ['layer_types', 'no_rope_layers'] as const) {
    const given = c[list]?.length ?? c.num_hidden_layers
    if (given !== c.num_hidden_layers) wrong(list, `names ${given} of ${c.num_hidden_layers} layers`)
  }
  if (c.layer_types?.includes('sliding_attention') && (!family.window || !c.sliding_window))
    wrong('layer_types', 'a sliding layer needs a sliding_window')
}

/**
 * The window of a layer that slides by its `layer_types` (or, without them, by `usual`), if the model uses windows.
 */
function slides(c: Shared, layer: number, usual: () => boolean): number | null {
  const kind = c.layer_types?.[layer]
  const sliding = kind ? kind === 'sliding_attention' : usual()
  return c.use_sliding_window && sliding ? (c.sliding_window ?? null) : null
}

function upperLayersSlide(c: Shared, layer: number): number | null {
  return slides(
    { ...c, sliding_window: c.sliding_window === undefined ? 4096 : c.sliding_window },
    layer,
    () => layer >= c.max_window_layers,
  )
}

/**
 * Whether a layer rotates its queries and keys (1 in the field means yes): by default all but every fourth.
 */
function layerRotates(c: Shared, layer: number): boolean {
  return c.no_rope_layers ? c.no_rope_layers[layer] === 1 : (layer + 1) % c.no_rope_layer_interval !== 0
}

/** transformers 5's `rope_parameters`, else 4's `rope_theta` and `rope_scaling`, whose kind may be called `type`. */
function ropeParameters(c: Shared, family: Family): Rope['parameters'] {
  const theta = c.rope_theta ?? family.theta ?? 10_000
  // The training length at the top level takes precedence over the one inside.
  const trained =
    c.original_max_position_embeddings === undefined
      ? {}
      : { original_max_position_embeddings: c.original_max_position_embeddings }
  if (c.rope_parameters)
    return parseRope('rope_parameters', { rope_theta: theta, rope_type: 'default', ...c.rope_parameters, ...trained })
  return parseRope('rope_scaling', {
    rope_theta: theta,
    rope_type: c.rope_scaling?.type ?? 'default',
    ...c.rope_scaling,
    ...trained,
  })
}

function parseRope(field: string, value: unknown): Rope['parameters'] {
  const parsed = z.object({ [field]: ropeSchema }).parse({ [field]: value })[field]
  if (!parsed) throw new Error(`${field} is missing`)
  return parsed
}
