import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Tokenizer } from '@huggingface/tokenizers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { tokenizerConfig, tokenizerJson, trainBpe } from '../../scripts/pretrain/bpe.ts'
import { corpus } from '../../scripts/pretrain/corpus.ts'
import { EOS, exchangeText, promptText } from '../../scripts/pretrain/format.ts'
import { openPromptTokenizer } from '../../lm/text/prompt-tokenizer.ts'
import { DEMO } from '../../scripts/pretrain/model-files.ts'

const demo = new URL('../../models/demo/', import.meta.url)

function json(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(name, demo), 'utf8')) as Record<string, unknown>
}

describe('the demo tokenizer', () => {
  const tokenizer = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'))

  it('gives back every text it encodes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }), (text) => {
        fc.pre(!text.includes(EOS))
        expect(tokenizer.decode(tokenizer.encode(text).ids)).toBe(text)
      }),
    )
  })

  it('fits every exchange of the corpus, the end mark as one token, into the context', () => {
    for (const { prompt, answer } of corpus(5, 500)) {
      const { ids } = tokenizer.encode(exchangeText(prompt, answer))
      expect(ids.length).toBeLessThanOrEqual(DEMO.context)
      expect(ids.filter((id) => id === 0)).toHaveLength(1)
      expect(ids.at(-1)).toBe(0)
    }
  })

  it('splits the prompt the same way alone and before an answer', () => {
    for (const { prompt, answer } of corpus(6, 100)) {
      const head = tokenizer.encode(promptText(prompt)).ids
      expect(tokenizer.encode(exchangeText(prompt, answer)).ids.slice(0, head.length)).toEqual(head)
    }
  })

  it('carries the template that the corpus was written with', async () => {
    const asked = await openPromptTokenizer(fileURLToPath(demo))
    for (const { prompt, answer } of corpus(7, 20)) {
      expect(asked.encodePrompt(prompt)).toEqual(tokenizer.encode(promptText(prompt)).ids)
      expect([...asked.encodePrompt(prompt), ...asked.encodeResponse(answer)]).toEqual(
        tokenizer.encode(exchangeText(prompt, answer)).ids,
      )
      expect(asked.decodeResponse(asked.encodeResponse(answer))).toBe(answer)
    }
    expect(json('config.json')).toMatchObject({ vocab_size: DEMO.vocabSize, n_embd: DEMO.width, eos_token_id: 0 })
  })
})

describe('the BPE trainer', () => {
  const bpe = trainBpe(['aaab aaab aaab', 'abab abab'], 260)

  it('merges the most frequent pair first, ties in sorted order', () => {
    expect(bpe.merges[0]).toEqual(['a', 'b'])
    expect(trainBpe(['ba ab', 'ba ab'], 258).merges).toEqual([['a', 'b']])
    expect(Object.keys(bpe.vocab)).toHaveLength(260)
    expect(trainBpe(['xy zw'], 400).merges).toHaveLength(0)
  })

  it('writes a file that loads and round-trips', () => {
    const tokenizer = new Tokenizer(tokenizerJson(bpe), tokenizerConfig(16))
    expect(tokenizer.decode(tokenizer.encode('aaab ü').ids)).toBe('aaab ü')
  })
})
