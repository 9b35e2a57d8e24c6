/**
 * The hidden oracle: how compassionate, useful and readable a text truly is. It judges what a model writes, knowing the
 * generator's language; it serves to measure and to steer the simulated crowd, and no training code may import it.
 *
 * Compassion is the mean tone of the sentences. A repeated sentence, or one that is not a sentence of the language,
 * counts as unkind rather than neutral, and warmth that misses the person's trouble counts half: repeating "I care
 * about you" ten times earns neither compassion nor readability.
 */
import { mean } from '../../core/statistics.ts'
import { readSentence, splitSentences, wordsOf, type Sentence } from './grammar.ts'
import { belongs, topicOf, type Topic } from './topic.ts'

/** All numbers in [0, 1]; concision 1 is a dozen words or fewer. */
export type OracleRating = { compassion: number; usefulness: number; concision: number; readable: boolean }

const MAX_SENTENCES = 7
const MAX_WORDS = 90
/** What a sentence earns that repeats an earlier one, and what unknown word runs earn. */
const REPEATED = 0.2
const GARBLED = 0.3

type Reading = { sentences: Sentence[]; own: number; foreign: number; repeated: boolean[] }

function read(text: string, topic: Topic | null): Reading {
  const sentences = splitSentences(text).map(readSentence)
  const seen = new Set<string>()
  const repeated = sentences.map(({ template, text: sentence }) => {
    const key = template ?? sentence.toLowerCase()
    const again = seen.has(key)
    seen.add(key)
    return again
  })
  let own = 0
  let foreign = 0
  if (topic !== null) {
    for (const sentence of sentences) {
      if (sentence.template === null && belongs(sentence.text, topic)) own++
      for (const mention of sentence.mentions) {
        if (belongs(mention, topic)) own++
        else foreign++
      }
    }
  }
  return { sentences, own, foreign, repeated }
}

/** Whether it is a whole sentence of the language: capital, final mark, every run of words known. */
function isWhole(sentence: Sentence): boolean {
  return /^\p{Lu}.*[^\s.?!][.?!]$/su.test(sentence.text) && sentence.known === 1
}

function isReadable({ sentences, own, foreign, repeated }: Reading, text: string): boolean {
  return (
    sentences.length > 0 &&
    sentences.length <= MAX_SENTENCES &&
    wordsOf(text).length <= MAX_WORDS &&
    sentences.every(isWhole) &&
    !repeated.includes(true) &&
    own > 0 &&
    foreign === 0
  )
}

function toneOf({ sentences, own, repeated }: Reading, topic: Topic | null): number {
  if (sentences.length === 0) return 0
  const tones = sentences.map((sentence, i) => {
    const tone = sentence.known * sentence.tone + (1 - sentence.known) * Math.min(sentence.tone, GARBLED)
    return repeated[i] ? Math.min(tone, REPEATED) : tone
  })
  const tone = mean(tones)
  return topic !== null && own === 0 && tone > 0.5 ? 0.5 + (tone - 0.5) / 2 : tone
}

/** Concrete steps for the prompt's own trouble: none 0, general advice 0.35, one step 0.7, two 1. */
function useOf({ sentences }: Reading, topic: Topic): number {
  const steps = new Map<string, number>()
  let general = false
  for (const sentence of sentences) {
    if (sentence.kind === 'general' && sentence.mentions.some((mention) => belongs(mention, topic))) general = true
    if (sentence.kind !== 'lead' && sentence.kind !== 'second') continue
    for (const mention of sentence.mentions) {
      // A step of the same situation with another detail ("cat" for "dog") is worth half.
      const exact = topic.scene?.steps.some((step) => step.toLowerCase() === mention) ?? false
      if (exact) steps.set(mention, 1)
      else if (belongs(mention, topic)) steps.set(mention, 0.5)
    }
  }
  const count = [...steps.values()].reduce((sum, worth) => sum + worth, 0)
  if (count === 0) return general ? 0.35 : 0
  return Math.min(1, count >= 1 ? 0.4 + 0.3 * count : 0.7 * count)
}

/** How kind a text is, in [0, 1]: 0 harsh, 0.5 neutral, 1 warm. With its prompt, warmth must also be on topic. */
export function compassion(text: string, prompt?: string): number {
  const topic = prompt === undefined ? null : topicOf(prompt)
  return toneOf(read(text, topic), topic)
}

/** How much a text helps with its prompt's trouble, in [0, 1]. */
export function usefulness(text: string, prompt: string): number {
  const topic = topicOf(prompt)
  return useOf(read(text, topic), topic)
}

/** Whether a text is whole, unrepeated sentences of the language, on its prompt's topic and on no other. */
export function readable(text: string, prompt: string): boolean {
  return isReadable(read(text, topicOf(prompt)), text)
}

/** All of these at once, as a simulated rater needs them. */
export function rate(prompt: string, text: string): OracleRating {
  const topic = topicOf(prompt)
  const reading = read(text, topic)
  const words = wordsOf(text).length
  return {
    compassion: toneOf(reading, topic),
    usefulness: useOf(reading, topic),
    concision: Math.min(1, Math.max(0, 1 - (words - 12) / 36)),
    readable: isReadable(reading, text),
  }
}

export const oracle = { compassion, usefulness, readable, rate }
