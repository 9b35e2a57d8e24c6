/** The files of the model's directory besides its weights and their configuration: tokenizer and live prompts. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Gpt2Config } from '../../lm/architectures/gpt2-config.ts'
import { tokenizerConfig, tokenizerJson, trainBpe } from './bpe.ts'
import type { Exchange } from './corpus.ts'
import { promptText } from './format.ts'
import { trainPrompts } from './prompts.ts'

/** The demo model's size: 1.46 M parameters. */
export const DEMO: Gpt2Config = {
  vocabSize: 1280,
  context: 128,
  width: 160,
  layers: 4,
  heads: 4,
  inner: 640,
  epsilon: 1e-5,
  bosToken: 0,
  eosToken: 0,
  padToken: 0,
}

/** Maximum length of a sampled answer, in tokens; the corpus's longest has 64. */
export const MAX_ANSWER_TOKENS = 72
const LIVE_PROMPTS = 800

function write(folder: string, name: string, value: object): void {
  writeFileSync(join(folder, name), `${JSON.stringify(value, null, 1)}\n`)
}

/** Trains the tokenizer on the exchanges and writes these files into `folder`. */
export function writeModelFiles(folder: string, exchanges: readonly Exchange[], seed: number): void {
  mkdirSync(folder, { recursive: true })
  const bpe = trainBpe(
    exchanges.map(({ prompt, answer }) => `${promptText(prompt)} ${answer}`),
    DEMO.vocabSize,
  )
  write(folder, 'tokenizer.json', tokenizerJson(bpe))
  write(folder, 'tokenizer_config.json', tokenizerConfig(DEMO.context))
  write(folder, 'generation_config.json', {
    bos_token_id: 0,
    eos_token_id: 0,
    pad_token_id: 0,
    do_sample: true,
    temperature: 0.7,
    max_new_tokens: MAX_ANSWER_TOKENS,
  })
  const prompts = trainPrompts(seed, LIVE_PROMPTS).map((prompt) => JSON.stringify({ prompt }))
  writeFileSync(join(folder, 'prompts.jsonl'), `${prompts.join('\n')}\n`)
}
