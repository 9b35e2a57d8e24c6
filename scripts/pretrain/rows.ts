/**
 * Exchanges as rows of tokens. A row holds one exchange, padded at its end; rows of similar length
 * go together, so that little of a batch is padding.
 */
import type { Tokenizer } from '@huggingface/tokenizers'
import { padRows, type Rows } from '../../lm/training/fit.ts'
import { drawExchange } from './corpus.ts'
import { exchangeText, promptText } from './format.ts'
import type { Use } from './prompts.ts'
import { seededRandom } from './random.ts'

/** Rows of `length` tokens, `batch` at once. */
export type Bucket = { length: number; batch: number }

/** About 1,500 tokens a step: small batches learn more from each token; the longest exchange has fewer than 104. */
export const BUCKETS: readonly Bucket[] = [
  { length: 48, batch: 32 },
  { length: 58, batch: 26 },
  { length: 72, batch: 21 },
  { length: 104, batch: 14 },
]

const WORDS = /<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu

/** `tokenizer.encode` with each word's ids remembered: byte-level BPE never merges across words. */
export function rememberingEncoder(tokenizer: Tokenizer): (text: string) => number[] {
  const known = new Map<string, number[]>()
  return (text) =>
    (text.replace('<|endoftext|>', '').match(WORDS) ?? [])
      .flatMap((word) => {
        const ids = known.get(word) ?? tokenizer.encode(word).ids
        known.set(word, ids)
        return ids
      })
      .concat(text.endsWith('<|endoftext|>') ? tokenizer.encode('<|endoftext|>').ids : [])
}

/** One exchange as ids, and how many of them belong to the prompt. */
type Encoded = { ids: readonly number[]; promptLength: number }

/** An endless stream of batches, all from one seed: whenever a bucket is full, it is yielded. */
export function* batches(
  encode: (text: string) => number[],
  seed: number,
  use: Use,
): Generator<{ bucket: Bucket; rows: Rows }> {
  const random = seededRandom(seed)
  const waiting = BUCKETS.map((bucket) => ({ bucket, exchanges: [] as Encoded[] }))
  for (;;) {
    const { prompt, answer } = drawExchange(random, use)
    const ids = encode(exchangeText(prompt, answer))
    const place = waiting.find(({ bucket }) => ids.length <= bucket.length)
    if (place === undefined) continue
    place.exchanges.push({ ids, promptLength: encode(promptText(prompt)).length })
    if (place.exchanges.length < place.bucket.batch) continue
    const full = place.exchanges.splice(0)
    yield {
      bucket: place.bucket,
      rows: padRows(
        full.map((exchange) => exchange.ids),
        full.map((exchange) => exchange.promptLength),
        place.bucket.length,
      ),
    }
  }
}
