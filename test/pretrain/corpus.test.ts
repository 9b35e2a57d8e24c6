import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { corpus } from '../../scripts/pretrain/corpus.ts'
import { heldOutPrompts, trainPrompts } from '../../scripts/pretrain/prompts.ts'
import { scenes, situations } from '../../scripts/pretrain/situations.ts'

const exchanges = corpus(1, 50_000)

describe('the corpus', () => {
  it('has at least 200 situations, each with two or more troubles and three or more steps', () => {
    expect(situations.length).toBeGreaterThanOrEqual(200)
    expect(new Set(situations.map(({ id }) => id)).size).toBe(situations.length)
    expect(new Set(scenes.map(({ id }) => id)).size).toBe(scenes.length)
    for (const scene of scenes) {
      expect(scene.troubles.length, scene.id).toBeGreaterThanOrEqual(2)
      expect(scene.steps.length, scene.id).toBeGreaterThanOrEqual(3)
      expect(scene.feelings.length, scene.id).toBeGreaterThanOrEqual(1)
    }
  })

  it('has at least 50,000 distinct exchanges', () => {
    const distinct = new Set(exchanges.map(({ prompt, answer }) => `${prompt}\n${answer}`))
    expect(distinct.size).toBeGreaterThanOrEqual(50_000)
  })

  it('is the same for the same seed and another for another', () => {
    expect(corpus(7, 200)).toEqual(corpus(7, 200))
    expect(corpus(7, 200)).not.toEqual(corpus(8, 200))
  })

  it('leaves no slot open and writes whole sentences', () => {
    const open = /[{}$#]|undefined| {2}/
    const whole = /^[A-Z].*[.?]$/
    const bad = exchanges.filter(
      ({ prompt, answer }) => open.test(prompt + answer) || !whole.test(answer) || !whole.test(prompt),
    )
    expect(bad).toEqual([])
  })

  it('writes "an" before a vowel and "a" before a consonant', () => {
    const wrong = /\b(a [aeio][a-z]*|an [bcdfgjklmnpqrstvwxyz][a-z]*)\b/i
    expect(exchanges.flatMap(({ prompt, answer }) => wrong.exec(`${prompt} ${answer}`) ?? [])).toEqual([])
  })

  it('keeps answers short', () => {
    const words = exchanges.map(({ answer }) => answer.split(' ').length)
    expect(words.reduce((sum, n) => sum + n, 0) / words.length).toBeLessThan(35)
    expect(Math.max(...words)).toBeLessThan(70)
  })
})

describe('prompts', () => {
  it('are distinct, and the same for the same seed', () => {
    expect(new Set(trainPrompts(3)).size).toBe(600)
    expect(trainPrompts(3)).toEqual(trainPrompts(3))
    expect(heldOutPrompts(3)).toEqual(heldOutPrompts(3))
    expect(new Set(heldOutPrompts(3)).size).toBe(64)
  })

  it('that are held out are in no training text and in no list of live prompts', () => {
    const file = readFileSync(new URL('../../models/demo/prompts.jsonl', import.meta.url), 'utf8')
      .trim()
      .split('\n')
    const live = file.map((line) => (JSON.parse(line) as { prompt: string }).prompt)
    expect(live.length).toBeGreaterThanOrEqual(500)
    const seen = new Set([...exchanges.map(({ prompt }) => prompt), ...trainPrompts(1, 2000), ...live])
    for (const prompt of heldOutPrompts(1, 100)) expect(seen).not.toContain(prompt)
  })
})
