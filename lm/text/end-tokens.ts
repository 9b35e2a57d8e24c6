/** Tokens that end a text, from every file that names some. */
import { join } from 'node:path'
import { z } from 'zod'
import { readGeneration } from '../files/generation-config.ts'
import { readJsonIfThere } from '../files/json-file.ts'
import { endTokenOf } from './tokenizer.ts'

const id = z.int().nonnegative()
const stated = z.looseObject({ eos_token_id: z.union([id, z.array(id)]).nullish() })

/**
 * The union of what `generation_config.json`, `config.json` and the tokenizer say: chat models end their
 * turns with one token (`<|im_end|>`, `<|eot_id|>`) and texts with another, and which file names which differs
 * between models. Empty if none names any.
 */
export async function readEndTokens(directory: string, config: unknown): Promise<readonly number[]> {
  const inConfig = stated.safeParse(config).data?.eos_token_id ?? []
  const { eosTokens: inGeneration } = await readGeneration(directory)
  return [...new Set([...(inGeneration ?? []), ...[inConfig].flat(), ...(await inTokenizer(directory))])]
}

async function inTokenizer(directory: string): Promise<number[]> {
  const json = z.record(z.string(), z.unknown())
  const config = await readJsonIfThere(join(directory, 'tokenizer_config.json'), json)
  if (config === null) return []
  const end = await endTokenOf(config, () => readJsonIfThere(join(directory, 'tokenizer.json'), json))
  return end === null ? [] : [end]
}
