import { readFileSync } from 'node:fs'
import { Tokenizer } from '@huggingface/tokenizers'
import { describe, expect, it } from 'vitest'
import { corpus } from '../../scripts/pretrain/corpus.ts'
import { exchangeText, promptText } from '../../scripts/pretrain/format.ts'
import { learningRate } from '../../scripts/pretrain/learn.ts'
import { BUCKETS, batches, rememberingEncoder } from '../../scripts/pretrain/rows.ts'

const demo = new URL('../../models/demo/', import.meta.url)
const json = (name: string): object => JSON.parse(readFileSync(new URL(name, demo), 'utf8')) as object
const tokenizer = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'))
const encode = rememberingEncoder(tokenizer)

describe('rows of exchanges', () => {
  it('are encoded as the tokenizer encodes them', () => {
    for (const { prompt, answer } of corpus(9, 300)) {
      const text = exchangeText(prompt, answer)
      expect(encode(text)).toEqual(tokenizer.encode(text).ids)
    }
  })

  it('come in the sizes of their bucket, the same for the same seed', () => {
    const first = (seed: number): Int32Array | undefined => batches(encode, seed, 'train').next().value?.rows.ids
    const held = batches(encode, 3, 'held-out')
    for (let i = 0; i < 20; i++) {
      const { bucket, rows } = held.next().value
      expect(rows.ids).toHaveLength(bucket.batch * bucket.length)
      expect(rows.learnt).toHaveLength(bucket.batch * bucket.length)
    }
    expect(first(1)).toEqual(first(1))
    expect(first(1)).not.toEqual(first(2))
  })

  it('leave no exchange of the corpus out', () => {
    const longest = Math.max(...BUCKETS.map(({ length }) => length))
    const lengths = corpus(10, 20_000).map(({ prompt, answer }) => encode(exchangeText(prompt, answer)).length)
    expect(Math.max(...lengths)).toBeLessThanOrEqual(longest)
  })

  it('hold prompts of at most 40 tokens', () => {
    expect(Math.max(...corpus(11, 5000).map(({ prompt }) => encode(promptText(prompt)).length))).toBeLessThanOrEqual(40)
  })
})

describe('the learning rate', () => {
  it('rises, then falls to a fiftieth of its peak', () => {
    expect(learningRate(0, 0)).toBeLessThan(learningRate(100, 0.01))
    expect(learningRate(1000, 0.3)).toBeGreaterThan(learningRate(2000, 0.6))
    expect(learningRate(5000, 1) / learningRate(1000, 0)).toBeCloseTo(0.02)
  })
})
