import { join } from 'node:path'
import { z } from 'zod'
import { readChatTemplate, type ChatTemplate } from './chat.ts'
import { readEndTokens } from './end-tokens.ts'
import { readJsonIfThere } from '../files/json-file.ts'
import { readTokenizer, type TextStream, type Tokenizer } from './tokenizer.ts'

/** A model's tokenizer with its prompt format. */
export interface PromptTokenizer {
  /** Ids of everything that precedes the answer. */
  encodePrompt(prompt: string): number[]
  /** Ids of an answer as it follows the prompt. */
  encodeResponse(response: string): number[]
  /** The answer's text, without the space that separates it from the prompt, and with U+FFFD for NUL. */
  decodeResponse(ids: ArrayLike<number>): string
  /** Decodes one answer token by token. */
  increments(): TextStream
}

/**
 * Reads a directory's tokenizer. With a chat template, prompts are rendered by it; without one, the model continues the
 * bare prompt.
 */
export async function openPromptTokenizer(directory: string): Promise<PromptTokenizer> {
  const tokenizer = await readTokenizer(directory)
  const chat = await readChatTemplate(directory)
  const ends = await readEndTokens(directory, await readJsonIfThere(join(directory, 'config.json'), z.unknown()))
  return promptTokenizer(tokenizer, chat, new Set(ends))
}

/** `ends`: the tokens that end an answer. */
export function promptTokenizer(
  tokenizer: Tokenizer,
  chat: ChatTemplate | null,
  ends: ReadonlySet<number>,
): PromptTokenizer {
  const end = tokenizer.eosToken === null ? [] : [tokenizer.eosToken]
  return {
    encodePrompt: (prompt) =>
      chat
        ? tokenizer.encode(chat([user(prompt)], { generationPrompt: true }))
        : tokenizer.encode(prompt.trim(), { special: true }),
    encodeResponse(response) {
      const written = (chat && answerText(chat, response)) ?? ` ${response}`
      const ids = tokenizer.encode(written)
      const ended = ids.findIndex((id) => ends.has(id))
      return ended < 0 ? [...ids, ...end] : ids.slice(0, ended + 1)
    },
    decodeResponse: (ids) => storable(tokenizer.decode(ids)).trim(),
    increments() {
      const text = tokenizer.stream()
      let started = false
      const trimmed = (piece: string): string => {
        const rest = started ? storable(piece) : storable(piece).trimStart()
        started ||= rest !== ''
        return rest
      }
      return { push: (token) => trimmed(text.push(token)), end: () => trimmed(text.end()) }
    },
  }
}

/** A byte-level model may generate NUL, which Postgres cannot store in text. */
const storable = (text: string): string => text.replaceAll('\0', '\uFFFD')

const user = (prompt: string) => ({ role: 'user', content: prompt.trim() }) as const

/**
 * What a template renders after its generation prompt for an answer, or the bare answer where the two
 * differ.
 */
function answerText(chat: ChatTemplate, response: string): string {
  const asked = chat([user('?')], { generationPrompt: true })
  const answered = chat([user('?'), { role: 'assistant', content: response }], { generationPrompt: false })
  return answered.startsWith(asked) ? answered.slice(asked.length) : response
}
