/** The prompts that a model is trained with: `prompts.jsonl` in its directory. */
import { join } from 'node:path'
import { z } from 'zod'
import { firstIssues, readText } from './json-file.ts'

export const PROMPTS_FILE = 'prompts.jsonl'

/** Longest prompt, and longest answer to one, characters: at most as many tokens as fit on a call's stack. */
const PROMPT_CHARS = 32 * 1024

const words = z.string().max(PROMPT_CHARS).regex(/\S/, 'is empty')
const Prompt = z.object({ prompt: words, answer: words.optional() })
/** `answer`: the reference answer, where there is one. */
export type Prompt = z.infer<typeof Prompt>

export async function readPromptFile(directory: string): Promise<Prompt[]> {
  const path = join(directory, PROMPTS_FILE)
  return parsePrompts(await readText(path), path)
}

/**
 * One `{"prompt": …}` a line, optionally with an `"answer"`. Throws, naming `what` and the line, where one is
 * invalid.
 */
export function parsePrompts(jsonl: string, what: string): Prompt[] {
  const prompts = jsonl
    .split('\n')
    .flatMap((line, i) => (line.trim() === '' ? [] : [parsePrompt(line, `${what}: line ${i + 1}`)]))
  if (prompts.length === 0) throw new Error(`${what}: there are no prompts; write one {"prompt": "…"} a line`)
  return prompts
}

function parsePrompt(line: string, at: string): Prompt {
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch (cause) {
    throw new Error(`${at} is not JSON`, { cause })
  }
  const parsed = Prompt.safeParse(json)
  if (!parsed.success) throw new Error(`${at}: ${firstIssues(parsed.error)}`)
  return parsed.data
}
