/** Reads the Hugging Face `config.json` of a GPT-2 model. */
import { z } from 'zod'
import { sizes } from './sizes.ts'

export interface Gpt2Config {
  vocabSize: number
  /** Longest sequence, in tokens. */
  context: number
  width: number
  layers: number
  heads: number
  /** Width of the MLP's hidden layer. */
  inner: number
  epsilon: number
  /** Whether the head is the token embedding; true by default. */
  tied?: boolean
  bosToken: number | null
  eosToken: number | null
  padToken: number | null
}

const token = z.int().nonnegative().nullish()

/** The fields that matter, with transformers' defaults for those that old files leave out. */
export const gpt2Schema = z
  .looseObject({
    vocab_size: sizes.vocabulary,
    n_positions: sizes.context,
    n_embd: sizes.width,
    n_layer: sizes.layers,
    n_head: sizes.heads,
    n_inner: sizes.width.nullish(),
    activation_function: z.enum(['gelu_new', 'gelu_pytorch_tanh']).default('gelu_new'),
    layer_norm_epsilon: z.number().positive().default(1e-5),
    tie_word_embeddings: z.boolean().default(true),
    scale_attn_weights: z.literal(true).optional(),
    scale_attn_by_inverse_layer_idx: z.literal(false).optional(),
    add_cross_attention: z.literal(false).optional(),
    bos_token_id: token,
    eos_token_id: token,
    pad_token_id: token,
  })
  .refine((c) => c.n_embd % c.n_head === 0, { path: ['n_head'], message: 'does not divide n_embd' })

export function gpt2Config(c: z.infer<typeof gpt2Schema>): Gpt2Config {
  return {
    vocabSize: c.vocab_size,
    context: c.n_positions,
    width: c.n_embd,
    layers: c.n_layer,
    heads: c.n_head,
    inner: c.n_inner ?? 4 * c.n_embd,
    epsilon: c.layer_norm_epsilon,
    tied: c.tie_word_embeddings,
    bosToken: c.bos_token_id ?? null,
    eosToken: c.eos_token_id ?? null,
    padToken: c.pad_token_id ?? null,
  }
}

/** The `config.json` that Hugging Face's transformers reads back. */
export function gpt2Json(config: Gpt2Config): Record<string, unknown> {
  return {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    dtype: 'float32',
    vocab_size: config.vocabSize,
    n_positions: config.context,
    n_embd: config.width,
    n_layer: config.layers,
    n_head: config.heads,
    n_inner: config.inner === 4 * config.width ? null : config.inner,
    activation_function: 'gelu_new',
    layer_norm_epsilon: config.epsilon,
    attn_pdrop: 0,
    embd_pdrop: 0,
    resid_pdrop: 0,
    initializer_range: 0.02,
    scale_attn_weights: true,
    scale_attn_by_inverse_layer_idx: false,
    tie_word_embeddings: config.tied ?? true,
    bos_token_id: config.bosToken,
    eos_token_id: config.eosToken,
    pad_token_id: config.padToken,
  }
}
