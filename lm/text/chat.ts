/** A model's chat template, which renders a conversation (Jinja, as in transformers' tokenizers). */
import { join } from 'node:path'
import { Template } from '@huggingface/jinja'
import { z } from 'zod'
import { ifThere } from '../files/disk.ts'
import { readJson, readText } from '../files/json-file.ts'
import { withinTime } from './time-limit.ts'

export interface Message {
  role: 'system' | 'user' | 'assistant'
  content: string
}

/** Renders a conversation; `generationPrompt` adds the prefix of an answer. */
export type ChatTemplate = (messages: readonly Message[], options: { generationPrompt: boolean }) => string

const specialToken = z
  .union([z.string(), z.looseObject({ content: z.string() }).transform((token) => token.content)])
  .nullish()
const schema = z.looseObject({
  chat_template: z.union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))]).nullish(),
  bos_token: specialToken,
  eos_token: specialToken,
  pad_token: specialToken,
  unk_token: specialToken,
})

/**
 * From `chat_template.jinja`, else from `tokenizer_config.json`; null for a model that has none. Throws, naming the
 * file, where the template is malformed.
 */
export async function readChatTemplate(directory: string): Promise<ChatTemplate | null> {
  const configPath = join(directory, 'tokenizer_config.json')
  const { chat_template: inside, bos_token, eos_token, pad_token, unk_token } = await readJson(configPath, schema)
  const outside = join(directory, 'chat_template.jinja')
  const own = await ifThere(readText(outside))
  const text = own ?? (Array.isArray(inside) ? inside.find(({ name }) => name === 'default')?.template : inside)
  if (text === undefined || text === null) return null
  const path = own === null ? configPath : outside
  const template = named(path, () => withinTime('reading it', () => new Template(text)))
  return (messages, { generationPrompt }) =>
    named(path, () => {
      const written = withinTime('rendering a conversation', () =>
        template.render({
          messages,
          add_generation_prompt: generationPrompt,
          bos_token,
          eos_token,
          pad_token,
          unk_token,
        }),
      )
      const most = WRITTEN_CHARS + messages.reduce((sum, { content }) => sum + content.length, 0)
      if (written.length > most)
        throw new Error(`it renders ${written.length} characters; at most ${most} are allowed for this conversation`)
      return written
    })
}

/** Most characters that a template may add to the messages. */
const WRITTEN_CHARS = 32 * 1024

function named<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw new Error(`${path}: its chat template fails: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}
