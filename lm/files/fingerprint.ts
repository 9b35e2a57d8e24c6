import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** What a run's arithmetic depends on: weights and their sizes, tokenizer, prompts. */
const files =
  /^(config\.json|tokenizer\.json|tokenizer_config\.json|prompts\.jsonl|.*\.safetensors|.*\.safetensors\.index\.json)$/

/** SHA-256 of a model directory's files and their names: equal if a run can resume on it. */
export async function fingerprintOf(modelDir: string): Promise<string> {
  const hash = createHash('sha256')
  for (const name of (await readdir(modelDir)).filter((file) => files.test(file)).sort()) {
    hash.update(`${name}\0`)
    await pipeline(createReadStream(join(modelDir, name)), hash, { end: false })
  }
  return hash.digest('hex')
}

/** The base model is not the one that a run started on; the message says what to do. */
export class ModelChanged extends Error {}
