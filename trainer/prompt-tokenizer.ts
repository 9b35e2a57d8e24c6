import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { readTokenizer, type TextStream } from './models/tokenizer.ts'

/** A model's tokenizer and the form in which it is asked. */
export interface PromptTokenizer {
  /** Ids of all that the model reads before it answers. */
  encodePrompt(prompt: string): number[]
  /** Ids of an answer, as the model would give it after its prompt. */
  encodeResponse(response: string): number[]
  /** The answer's text, without the space that sets it off from the prompt. */
  decodeResponse(ids: ArrayLike<number>): string
  /** Decodes one answer token by token. */
  increments(): TextStream
}

/** Reads `tokenizer.json` and the `prompt_template` of `tokenizer_config.json`; `{prompt}` stands for what was asked. */
export async function openPromptTokenizer(directory: string): Promise<PromptTokenizer> {
  const tokenizer = await readTokenizer(directory)
  const path = join(directory, 'tokenizer_config.json')
  const { prompt_template: template } = z.looseObject({ prompt_template: z.string().default('{prompt}') }).parse(JSON.parse(await readFile(path, 'utf8')))
  if (!template.includes('{prompt}')) throw new Error(`${path}: prompt_template has no {prompt}`)
  const end = tokenizer.eosToken === null ? [] : [tokenizer.eosToken]
  return {
    encodePrompt: (prompt) => tokenizer.encode(template.replace('{prompt}', () => prompt.trim())),
    encodeResponse: (response) => [...tokenizer.encode(` ${response}`), ...end],
    decodeResponse: (ids) => tokenizer.decode(ids).trim(),
    increments() {
      const text = tokenizer.stream()
      let started = false
      const trimmed = (piece: string): string => {
        const rest = started ? piece : piece.trimStart()
        started ||= rest !== ''
        return rest
      }
      return { push: (token) => trimmed(text.push(token)), end: () => trimmed(text.end()) }
    },
  }
}
