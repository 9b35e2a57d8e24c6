/** A model's tokenizer, read from a Hugging Face directory's `tokenizer.json` and `tokenizer_config.json`. */
import { join } from 'node:path'
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers'
import { z } from 'zod'
import { readJson } from './json-file.ts'

export interface Tokenizer {
  /** Ids the model's embedding must have room for: one more than the greatest. */
  readonly vocabSize: number
  readonly eosToken: number | null
  /** The pad token, else the end token (padding is masked, so which id it has changes nothing). */
  readonly padToken: number | null
  /** Ids of a text; special tokens written out in it become single ids. With `special`, those that the model wants around a text are added. */
  encode(text: string, options?: { special?: boolean }): number[]
  /** The text of ids, special tokens left out; bytes that are no UTF-8 become U+FFFD. */
  decode(ids: ArrayLike<number>): string
  /** Decodes one sequence token by token. */
  stream(): TextStream
}

export interface TextStream {
  /** What a token adds to the text: possibly nothing yet, never part of a character. */
  push(token: number): string
  /** What was held back, once the sequence has ended. */
  end(): string
}

export async function readTokenizer(directory: string): Promise<Tokenizer> {
  const read = (name: string): Promise<object> => readJson(join(directory, name), z.record(z.string(), z.unknown()))
  return openTokenizer(await read('tokenizer.json'), await read('tokenizer_config.json'))
}

/** From the parsed contents of the two files. */
export function openTokenizer(tokenizerJson: object, configJson: object): Tokenizer {
  const inner = new HuggingFaceTokenizer(tokenizerJson, configJson)
  const config = configSchema.parse(configJson)
  const idOf = (token: SpecialToken | undefined): number | null => {
    if (token === undefined || token === null) return null
    const text = typeof token === 'string' ? token : token.content
    const id = inner.token_to_id(text)
    if (id === undefined) throw new Error(`the tokenizer has no token ${text}`)
    return id
  }
  const eosToken = idOf(config.eos_token)
  const decode = (ids: ArrayLike<number>): string =>
    ids.length === 0 ? '' : inner.decode(Array.from(ids), { skip_special_tokens: true, clean_up_tokenization_spaces: false })
  return {
    vocabSize: Math.max(...inner.get_vocab(true).values()) + 1,
    eosToken,
    padToken: idOf(config.pad_token) ?? eosToken,
    encode: (text, { special = false } = {}) => inner.encode(text, { add_special_tokens: special }).ids,
    decode,
    stream: () => openTextStream(decode),
  }
}

/**
 * Tokens are decoded behind those just given out, because some decoders treat the
 * first token of a text differently; a text that ends in U+FFFD may be a
 * character cut in two, and waits for its other half.
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
    end: () => waiting.length > 0 ? release(increment()) : '',
  }
}

const specialToken = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish()
type SpecialToken = z.infer<typeof specialToken>
const configSchema = z.looseObject({ eos_token: specialToken, pad_token: specialToken })
