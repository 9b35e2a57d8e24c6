/**
 * A small trainer for byte-level BPE (Sennrich et al. 2016; GPT-2's byte alphabet and word pattern),
 * written in the form of Hugging Face's tokenizer.json. Ids: the end-of-text token 0, the 256 bytes
 * 1–256, then the merges in the order they were learnt.
 */
import { CHAT_TEMPLATE, EOS } from './format.ts'

/** GPT-2's pattern of words; the pre-tokenizer `ByteLevel` with `use_regex` applies the same. */
const WORDS = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu

/** GPT-2's printable stand-in for each byte. */
function byteAlphabet(): string[] {
  const printable = (b: number): boolean => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255)
  let extra = 0
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(printable(b) ? b : 256 + extra++))
}

type Word = { parts: string[]; count: number }

function countWords(texts: Iterable<string>, alphabet: readonly string[]): Word[] {
  const counts = new Map<string, number>()
  for (const text of texts) for (const [word] of text.matchAll(WORDS)) counts.set(word, (counts.get(word) ?? 0) + 1)
  return [...counts].map(([word, count]) => ({
    parts: [...new TextEncoder().encode(word)].map((byte) => alphabet[byte] ?? ''),
    count,
  }))
}

/** The most frequent neighbouring pair; ties go to the pair that sorts first, so the result is fixed. */
function bestPair(words: readonly Word[]): [string, string] | null {
  const counts = new Map<string, number>()
  for (const { parts, count } of words) {
    for (let i = 0; i + 1 < parts.length; i++) {
      const pair = `${parts[i]} ${parts[i + 1]}`
      counts.set(pair, (counts.get(pair) ?? 0) + count)
    }
  }
  let best: string | null = null
  let most = 1
  for (const [pair, count] of counts) {
    if (count > most || (count === most && best !== null && pair < best)) [best, most] = [pair, count]
  }
  const [left, right] = best?.split(' ') ?? []
  return left === undefined || right === undefined ? null : [left, right]
}

function merge(word: Word, left: string, right: string): void {
  const out: string[] = []
  for (let i = 0; i < word.parts.length; i++) {
    const part = word.parts[i] ?? ''
    if (part === left && word.parts[i + 1] === right) {
      out.push(left + right)
      i++
    } else out.push(part)
  }
  word.parts = out
}

export type Bpe = { vocab: Record<string, number>; merges: [string, string][] }

/** Learns merges until the vocabulary has `size` entries, or no remaining pair occurs twice. */
export function trainBpe(texts: Iterable<string>, size: number): Bpe {
  const alphabet = byteAlphabet()
  const words = countWords(texts, alphabet)
  const vocab: Record<string, number> = { [EOS]: 0 }
  let next = 1
  for (const byte of alphabet) vocab[byte] = next++
  const merges: [string, string][] = []
  while (next < size) {
    const pair = bestPair(words)
    if (pair === null) break
    const [left, right] = pair
    merges.push(pair)
    vocab[left + right] = next++
    for (const word of words) if (word.parts.includes(left)) merge(word, left, right)
  }
  return { vocab, merges }
}

/** tokenizer.json as Hugging Face's tokenizers read it. */
export function tokenizerJson({ vocab, merges }: Bpe): object {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      { id: 0, content: EOS, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
    ],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      vocab,
      merges: merges.map((pair) => pair.join(' ')),
    },
  }
}

/** tokenizer_config.json. */
export function tokenizerConfig(context: number): object {
  return {
    tokenizer_class: 'GPT2Tokenizer',
    add_prefix_space: false,
    add_bos_token: false,
    clean_up_tokenization_spaces: false,
    bos_token: EOS,
    eos_token: EOS,
    unk_token: EOS,
    pad_token: EOS,
    model_max_length: context,
    chat_template: CHAT_TEMPLATE,
  }
}
