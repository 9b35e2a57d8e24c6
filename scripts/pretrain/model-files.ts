/** The files of the model's directory besides its weights: configuration, tokenizer and live prompts. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tokenizerConfig, tokenizerJson, trainBpe } from './bpe.ts'
import type { Exchange } from './corpus.ts'
import { promptText } from './format.ts'
import { trainPrompts } from './prompts.ts'

/** The demo model's size: 1.46 M parameters. */
export const SHAPE = { vocab: 1280, context: 128, width: 160, layers: 4, heads: 4 } as const

/** Longest answer that is sampled, in tokens; the corpus's longest has 64. */
export const MAX_ANSWER_TOKENS = 72
const LIVE_PROMPTS = 800

function gpt2Config(): object {
  return {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    activation_function: 'gelu_new',
    vocab_size: SHAPE.vocab,
    n_positions: SHAPE.context,
    n_ctx: SHAPE.context,
    n_embd: SHAPE.width,
    n_layer: SHAPE.layers,
    n_head: SHAPE.heads,
    n_inner: null,
    resid_pdrop: 0,
    embd_pdrop: 0,
    attn_pdrop: 0,
    layer_norm_epsilon: 1e-5,
    initializer_range: 0.02,
    tie_word_embeddings: true,
    bos_token_id: 0,
    eos_token_id: 0,
    torch_dtype: 'float32',
  }
}

function write(folder: string, name: string, value: object): void {
  writeFileSync(join(folder, name), `${JSON.stringify(value, null, 1)}\n`)
}

/** Trains the tokenizer on the exchanges and writes everything but the weights into `folder`. */
export function writeModelFiles(folder: string, exchanges: readonly Exchange[], seed: number): void {
  mkdirSync(folder, { recursive: true })
  const bpe = trainBpe(exchanges.map(({ prompt, answer }) => `${promptText(prompt)} ${answer}`), SHAPE.vocab)
  write(folder, 'tokenizer.json', tokenizerJson(bpe))
  write(folder, 'tokenizer_config.json', tokenizerConfig(SHAPE.context))
  write(folder, 'config.json', gpt2Config())
  write(folder, 'generation_config.json', {
    bos_token_id: 0,
    eos_token_id: 0,
    pad_token_id: 0,
    do_sample: true,
    temperature: 1,
    max_new_tokens: MAX_ANSWER_TOKENS,
  })
  const prompts = trainPrompts(seed, LIVE_PROMPTS).map((prompt) => JSON.stringify({ prompt }))
  writeFileSync(join(folder, 'prompts.jsonl'), `${prompts.join('\n')}\n`)
}
