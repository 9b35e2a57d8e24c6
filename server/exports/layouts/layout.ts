import { z } from 'zod'
import type { Row } from '../columns.ts'

/** A type of dataset that TRL's trainers read (huggingface.co/docs/trl/dataset_formats). */
export interface Layout {
  /** TRL's trainers that take it, for the data card. */
  trainers: string
  /** Of the hub's tasks. */
  task: string
  /** Its rows, by the schema of a text: plain or as messages. */
  schema: (text: z.ZodType) => z.ZodObject
  /** A row of the table in this layout. */
  of: (row: Row, say: Voice) => Row
}

/** How texts are said: what TRL calls the standard and the conversational format. */
export interface Voice {
  prompt: (prompt: string) => unknown
  completion: (response: string) => unknown
  /** Both in one. */
  whole: (prompt: string, response: string) => unknown
}

/** As a model without a chat template continues a prompt: behind a space (lm/text/prompt-tokenizer.ts). */
export const plain: Voice = {
  prompt: (prompt) => prompt.trim(),
  completion: (response) => ` ${response}`,
  whole: (prompt, response) => `${prompt.trim()} ${response}`,
}

const user = (prompt: string) => ({ role: 'user', content: prompt.trim() })
const assistant = (response: string) => ({ role: 'assistant', content: response })

/** As a chat model's template renders it. */
export const chat: Voice = {
  prompt: (prompt) => [user(prompt)],
  completion: (response) => [assistant(response)],
  whole: (prompt, response) => [user(prompt), assistant(response)],
}

export const Text = z.string()
export const Messages = z.array(z.object({ role: z.enum(['user', 'assistant']), content: z.string() }))
