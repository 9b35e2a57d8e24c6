/** Sets the prompts that a model is trained with. */
import { join } from 'node:path'
import { readModel } from './directory.ts'
import { PROMPTS_FILE, parsePrompts } from './prompt-file.ts'
import { writeAtomically } from './safetensors.ts'
import { openPromptTokenizer } from '../text/prompt-tokenizer.ts'

/**
 * Writes prompts, as JSON lines, into a model's directory, replacing those that it had; a run that started on those
 * does not resume. Returns how many there are.
 *
 * @throws Error with the invalid line, or the prompt that leaves the model no room for an answer
 */
export async function givePrompts(directory: string, jsonl: string, what: string): Promise<number> {
  const prompts = parsePrompts(jsonl, what)
  const {
    architecture: { context },
  } = await readModel(directory)
  const { encodePrompt } = await openPromptTokenizer(directory)
  for (const [i, { prompt }] of prompts.entries()) {
    const tokens = encodePrompt(prompt).length
    if (tokens >= context)
      throw new Error(
        `${what}: prompt ${i + 1} has ${tokens} tokens, which leaves no room for an answer in the model's context of ${context}: “${prompt.slice(0, 60)}…”`,
      )
  }
  await writeAtomically(join(directory, PROMPTS_FILE), new TextEncoder().encode(jsonl))
  return prompts.length
}
