import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { openTextStream, openTokenizer } from '../../lm/text/tokenizer.ts'

const end = '<|end|>'
const tokenizer = openTokenizer(byteLevelTokenizer(), {
  tokenizer_class: 'GPT2Tokenizer',
  eos_token: end,
  pad_token: null,
})

describe('the tokenizer', () => {
  test('decoding gives back the encoded text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
      }),
    )
  })

  test('merges are applied, and a special token is one id that decoding leaves out', () => {
    const ids = tokenizer.encode(`the end${end}`)
    expect(ids.at(-1)).toBe(tokenizer.eosToken)
    expect(ids).toHaveLength(1 + 4 + 1) // "the", " ", "e", "n", "d", end
    expect(tokenizer.decode(ids)).toBe('the end')
  })

  test('without a pad token the end token pads', () => {
    expect(tokenizer.eosToken).toBe(258)
    expect(tokenizer.padToken).toBe(tokenizer.eosToken)
    expect(tokenizer.vocabSize).toBe(259)
  })

  test('an end token that the vocabulary lacks is refused by name', () => {
    expect(() => openTokenizer(byteLevelTokenizer(), { eos_token: '<nowhere>' })).toThrow('no token <nowhere>')
  })

  test('streamed increments join to the whole text, and none splits a character', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\ufffd')),
        (text) => {
          const stream = tokenizer.stream()
          const parts = tokenizer.encode(text).map((token) => stream.push(token))
          expect(parts.join('')).toBe(text)
          expect(stream.end()).toBe('')
          for (const part of parts) expect(part).not.toMatch(/\ufffd|[\ud800-\udbff]$/)
        },
      ),
    )
  })

  test('a character that is never completed comes out at the end', () => {
    const stream = tokenizer.stream()
    const [first = 0] = tokenizer.encode('é')
    expect(stream.push(first)).toBe('')
    expect(stream.end()).toBe('\ufffd')
  })

  test('a decoder that strips the leading space of a text keeps it between increments', () => {
    const words = ['▁one', '▁two', 'three']
    const stream = openTextStream((ids) =>
      ids
        .map((id) => words[id])
        .join('')
        .replaceAll('▁', ' ')
        .trimStart(),
    )
    expect([0, 1, 2].map((id) => stream.push(id))).toEqual(['one', ' two', 'three'])
  })
})

/** GPT-2's byte alphabet, two merges that make "the", and one special token. */
function byteLevelTokenizer(): object {
  const printable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let shifted = 256
  const alphabet = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : shifted++))
  const vocab = Object.fromEntries([...alphabet, 'th', 'the'].map((token, id) => [token, id]))
  return {
    version: '1.0',
    added_tokens: [
      { id: 258, content: end, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
    ],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', vocab, merges: ['t h', 'th e'], unk_token: null, fuse_unk: false, byte_fallback: false },
  }
}
