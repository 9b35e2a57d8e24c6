/** A model's tokenizer, read from a Hugging Face directory's `tokenizer.json` and `tokenizer_config.json`. */
import { join } from 'node:path'
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers'
import { z } from 'zod'
import { readJson } from '../files/json-file.ts'
import { withinTime } from './time-limit.ts'

export interface Tokenizer {
  /** Required size of the model's embedding: one more than the greatest id. */
  readonly vocabSize: number
  readonly eosToken: number | null
  /** The pad token, else the end token (padding is masked, so the id does not matter). */
  readonly padToken: number | null
  /**
   * Ids of a text; special tokens spelled out in it become single ids. With `special`, those that the model expects
   * around a text are added.
   */
  encode(text: string, options?: { special?: boolean }): number[]
  /** The text of ids, without special tokens; invalid UTF-8 becomes U+FFFD. */
  decode(ids: ArrayLike<number>): string
  /** Decodes one sequence token by token. */
  stream(): TextStream
}

export interface TextStream {
  /** The text that a token adds: possibly none yet, never part of a character. */
  push(token: number): string
  /** The text held back, once the sequence has ended. */
  end(): string
}

export async function readTokenizer(directory: string): Promise<Tokenizer> {
  const read = (name: string): Promise<object> => readJson(join(directory, name), z.record(z.string(), z.unknown()))
  return openTokenizer(await read('tokenizer.json'), await read('tokenizer_config.json'))
}

/** From the parsed contents of the two files. */
export function openTokenizer(tokenizerJson: object, configJson: object): Tokenizer {
  const inner = withinTime(
    'reading the tokenizer',
    () => new HuggingFaceTokenizer(tokenizerJson, configJson),
    SECONDS_TO_READ,
  )
  const config = configSchema.parse(configJson)
  const idOf = (token: SpecialToken | undefined): number | null => {
    const text = textOf(token)
    if (text === null) return null
    const id = inner.token_to_id(text)
    if (id === undefined) throw new Error(`the tokenizer has no token ${text}`)
    return id
  }
  const eosToken = idOf(config.eos_token)
  const decode = (ids: ArrayLike<number>): string =>
    ids.length === 0
      ? ''
      : withinTime('decoding a text', () =>
          inner.decode(Array.from(ids), { skip_special_tokens: true, clean_up_tokenization_spaces: false }),
        )
  return {
    vocabSize: greatestId(inner.get_vocab(true).values()) + 1,
    eosToken,
    padToken: idOf(config.pad_token) ?? eosToken,
    encode: (text, { special = false } = {}) =>
      withinTime('tokenizing a text', () => inner.encode(text, { add_special_tokens: special }).ids),
    decode,
    stream: () => openTextStream(decode),
  }
}

/**
 * Tokens are decoded after those just released, because some decoders treat the first
 * token of a text differently; a text that ends in U+FFFD may be an incomplete character, and waits for its other
 * bytes.
 */
export function openTextStream(decode: (ids: readonly number[]) => string): TextStream {
  let given: number[] = []
  let waiting: number[] = []
  const increment = (): string => decode([...given, ...waiting]).slice(decode(given).length)
  const release = (text: string): string => {
    given = waiting
    waiting = []
    return text
  }
  return {
    push(token) {
      waiting.push(token)
      const text = increment()
      return text === '' || text.endsWith('\ufffd') ? '' : release(text)
    },
    end: () => (waiting.length > 0 ? release(increment()) : ''),
  }
}

/** The largest known tokenizers, of 262,144 tokens, take some seconds. */
const SECONDS_TO_READ = 60

/** A loop, since there may be more than a call takes arguments. */
function greatestId(ids: Iterable<number>): number {
  let greatest = -1
  for (const id of ids) {
    if (!Number.isSafeInteger(id) || id < 0)
      throw new Error(`the tokenizer has a token of id ${id}; ids are whole numbers from 0`)
    if (id > greatest) greatest = id
  }
  return greatest
}

/**
 * The id of the tokenizer's own end token, from its files and without building it; null where it has none.
 * `tokenizerJson` is read only if `tokenizer_config.json` doesn't list its added tokens.
 */
export async function endTokenOf(
  configJson: object,
  tokenizerJson: () => Promise<object | null>,
): Promise<number | null> {
  const { eos_token, added_tokens_decoder: listed } = endSchema.parse(configJson)
  const text = textOf(eos_token)
  if (text === null) return null
  for (const [id, { content }] of Object.entries(listed ?? {})) if (content === text) return Number(id)
  const { added_tokens: added, model } = vocabularySchema.parse((await tokenizerJson()) ?? {})
  const own = Array.isArray(model?.vocab) ? undefined : model?.vocab?.[text]
  return added?.find(({ content }) => content === text)?.id ?? (typeof own === 'number' ? own : null)
}

const textOf = (token: SpecialToken | undefined): string | null =>
  token == null ? null : typeof token === 'string' ? token : token.content

const specialToken = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish()
type SpecialToken = z.infer<typeof specialToken>
const configSchema = z.looseObject({ eos_token: specialToken, pad_token: specialToken })
const endSchema = z.looseObject({
  eos_token: specialToken,
  added_tokens_decoder: z.record(z.string().regex(/^\d+$/), z.looseObject({ content: z.string() })).nullish(),
})
const vocabularySchema = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.int().nonnegative(), content: z.string() })).nullish(),
  // A record of ids or, for a unigram model, pairs. Not validated: it is large, and the tokenizer reads it.
  model: z
    .looseObject({
      vocab: z
        .custom<Record<string, unknown> | unknown[]>((vocab) => typeof vocab === 'object' && vocab !== null)
        .optional(),
    })
    .nullish(),
})
