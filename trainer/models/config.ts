/** What a Hugging Face `config.json` says about a GPT-2 model. */
import { z } from 'zod'
import { exactDiv } from '../graph/index.ts'

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
  bosToken: number | null
  eosToken: number | null
  padToken: number | null
}

const token = z.int().nonnegative().nullish()
const schema = z.looseObject({
  model_type: z.literal('gpt2'),
  vocab_size: z.int().positive(),
  n_positions: z.int().positive(),
  n_embd: z.int().positive(),
  n_layer: z.int().positive(),
  n_head: z.int().positive(),
  n_inner: z.int().positive().nullish(),
  activation_function: z.enum(['gelu_new', 'gelu_pytorch_tanh']),
  layer_norm_epsilon: z.number().positive(),
  tie_word_embeddings: z.literal(true).optional(),
  scale_attn_weights: z.literal(true).optional(),
  scale_attn_by_inverse_layer_idx: z.literal(false).optional(),
  bos_token_id: token, eos_token_id: token, pad_token_id: token,
})

/** Parses `config.json`'s text; throws, naming `path` and the fields, where the model is another one than GPT-2. */
export function parseConfig(json: string, path: string): Gpt2Config {
  const parsed = schema.safeParse(JSON.parse(json))
  if (!parsed.success) throw new Error(`${path} is not a supported GPT-2: ${z.prettifyError(parsed.error)}`)
  const c = parsed.data
  exactDiv(c.n_embd, c.n_head, `${path}: n_embd by n_head`)
  return {
    vocabSize: c.vocab_size, context: c.n_positions, width: c.n_embd, layers: c.n_layer, heads: c.n_head,
    inner: c.n_inner ?? 4 * c.n_embd, epsilon: c.layer_norm_epsilon,
    bosToken: c.bos_token_id ?? null, eosToken: c.eos_token_id ?? null, padToken: c.pad_token_id ?? null,
  }
}

/** The `config.json` that Hugging Face's transformers reads back. */
export function formatConfig(config: Gpt2Config, dtype: 'float32' | 'float16' = 'float32'): string {
  return JSON.stringify({
    architectures: ['GPT2LMHeadModel'], model_type: 'gpt2', dtype,
    vocab_size: config.vocabSize, n_positions: config.context, n_embd: config.width, n_layer: config.layers, n_head: config.heads,
    n_inner: config.inner === 4 * config.width ? null : config.inner, activation_function: 'gelu_new', layer_norm_epsilon: config.epsilon,
    attn_pdrop: 0, embd_pdrop: 0, resid_pdrop: 0, initializer_range: 0.02,
    scale_attn_weights: true, scale_attn_by_inverse_layer_idx: false, tie_word_embeddings: true,
    bos_token_id: config.bosToken, eos_token_id: config.eosToken, pad_token_id: config.padToken,
  }, null, 2)
}
