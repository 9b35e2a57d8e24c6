/** Which files of a directory or repository make a model. */

import { fileLimits } from './limits.ts'

/** Every file of a model that is read, and those that people should see. */
const wanted =
  /^(config\.json|generation_config\.json|tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json|chat_template\.jinja|prompts\.jsonl|LICENSE[\w.-]*|README\.md)$/
const shard = /^model-\d+-of-\d+\.safetensors$/
const pickle = /\.(bin|pt|pth|ckpt|pkl)$/

/** The most bytes that a file of a model may have; null for weights. */
export function mostBytes(name: string): number | null {
  if (name.endsWith('.safetensors')) return null
  if (name === 'tokenizer.json') return fileLimits.tokenizer
  if (name === 'tokenizer_config.json') return fileLimits.tokenizerConfig
  if (name === 'model.safetensors.index.json') return fileLimits.index
  if (name === 'prompts.jsonl') return fileLimits.prompts
  return /^(LICENSE|README)/.test(name) ? fileLimits.words : fileLimits.configuration
}

/** @throws Error where a file is larger than its kind may be */
export function checkSize(name: string, bytes: number, what = name): void {
  const most = mostBytes(name)
  if (most !== null && bytes > most)
    throw new Error(`${what} has ${bytes} bytes; at most ${most} are allowed for such a file`)
}

/** Whether a file may be part of a model directory: a name of its kind, and no path. */
export function isModelFile(name: string): boolean {
  return (
    wanted.test(name) || name === 'model.safetensors' || name === 'model.safetensors.index.json' || shard.test(name)
  )
}

/**
 * The names of the files that make up a model, weights last; errors name it as `what`. Throws if there are no
 * readable weights.
 */
export function chooseFiles(names: readonly string[], what: string): string[] {
  if (!names.includes('config.json')) throw new Error(`${what} has no config.json: it is not a transformers model`)
  const small = names.filter((name) => wanted.test(name))
  if (names.includes('model.safetensors')) return [...small, 'model.safetensors']
  const shards = names.filter((name) => shard.test(name))
  if (names.includes('model.safetensors.index.json') && shards.length > 0)
    return [...small, 'model.safetensors.index.json', ...shards]
  const stored = names.find((name) => pickle.test(name))
  if (stored !== undefined)
    throw new Error(
      `${what} has its weights as a pickle (${stored}), which can run code when it is read, and none as safetensors; ask its owner to convert it`,
    )
  throw new Error(`${what} has no model.safetensors`)
}
