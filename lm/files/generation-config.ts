/** How a model is meant to be sampled: its `generation_config.json`. */
import { join } from 'node:path'
import { z } from 'zod'
import { readJsonIfThere } from './json-file.ts'

export interface Generation {
  /** Whether to sample, instead of taking the likeliest token (greedy). */
  sample: boolean
  temperature: number
  /** 0 keeps all. transformers' own default, where the file says nothing, is 50. */
  topK: number
  topP: number
  repetitionPenalty: number
  /** Null if the model does not say. */
  maxNewTokens: number | null
  /** Tokens that end a text; null to use those of `config.json`. */
  eosTokens: readonly number[] | null
}

const token = z.int().nonnegative()
const schema = z.looseObject({
  do_sample: z.boolean().default(false),
  temperature: z.number().nonnegative().nullish(),
  top_k: z.int().nonnegative().nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  repetition_penalty: z.number().positive().nullish(),
  max_new_tokens: z.int().positive().nullish(),
  eos_token_id: z.union([token, z.array(token)]).nullish(),
})

/** Reads a directory's file; a model without one is sampled greedily and without limits. */
export async function readGeneration(directory: string): Promise<Generation> {
  const c = await readJsonIfThere(join(directory, 'generation_config.json'), schema)
  const eos = c?.eos_token_id ?? null
  return {
    sample: c?.do_sample ?? false,
    temperature: c?.temperature ?? 1,
    topK: c?.top_k ?? 0,
    topP: c?.top_p ?? 1,
    repetitionPenalty: c?.repetition_penalty ?? 1,
    maxNewTokens: c?.max_new_tokens ?? null,
    eosTokens: eos === null ? null : [eos].flat(),
  }
}
