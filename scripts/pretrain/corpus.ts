/**
 * The seeded generator of exchanges. Tone, usefulness and length are drawn independently and
 * uniformly from [0, 1]; every sentence of an answer is chosen near the drawn tone, so that a harsh
 * opening is followed by a harsh body and a harsh close.
 */
import * as phrases from './phrases.ts'
import { drawPrompt, type Prompt, type Use } from './prompts.ts'
import { normal, pick, seededRandom, shuffled, type Random } from './random.ts'
import { capital } from './situations.ts'

/** An answer's intended qualities, each in [0, 1]; length 1 is the longest. */
export type Intent = { tone: number; usefulness: number; length: number }
export type Exchange = { prompt: string; answer: string; intent: Intent; scene: string }

/** How far, in levels, a sentence strays from the answer's tone (standard deviation). */
const TONE_SPREAD = 0.45
const MIN_SENTENCES = 2

type Slots = { about: string; feeling: string; step?: string }

export function fill(template: string, slots: Slots): string {
  return capital(
    template
      .replace('{about}', () => slots.about)
      .replace('{feeling}', () => slots.feeling)
      .replace('{step}', () => slots.step ?? ''),
  )
}

/** An answer to a prompt with the intended qualities. */
export function composeAnswer(prompt: Prompt, intent: Intent, random: Random): string {
  const { scene, feeling } = prompt
  const slots: Slots = { about: scene.about, feeling }
  const template = (table: phrases.ToneTable): string => {
    const level = Math.round(intent.tone * (phrases.LEVELS - 1) + TONE_SPREAD * normal(random))
    return pick(table[Math.min(phrases.LEVELS - 1, Math.max(0, level))] ?? [], random)
  }
  const say = (table: phrases.ToneTable, step?: string): string => fill(template(table), { ...slots, step })

  const steps = shuffled(scene.steps, random)
  let body: string[]
  if (intent.usefulness < 0.22) body = [say(phrases.vagues)]
  else if (intent.usefulness < 0.42) body = [say(phrases.generals)]
  else if (intent.usefulness < 0.74) body = [say(phrases.leads, steps[0])]
  else body = [say(phrases.leads, steps[0]), say(phrases.seconds, steps[1])]

  // Two or three sentences are the rule, four are rarer.
  const wanted = MIN_SENTENCES + Math.floor(intent.length * 2.6)
  const sentences = [...body]
  if (sentences.length < wanted) sentences.unshift(say(phrases.openers))
  if (sentences.length < wanted) sentences.push(say(phrases.closers))
  while (sentences.length < wanted) {
    const filler = say(phrases.fillers)
    if (!sentences.includes(filler)) sentences.splice(1, 0, filler)
  }
  return sentences.join(' ')
}

/** Whether the answer names the matter or one of its steps. */
function onTopic(prompt: Prompt, answer: string): boolean {
  const text = answer.toLowerCase()
  return [prompt.scene.about, ...prompt.scene.steps].some((phrase) => text.includes(phrase.toLowerCase()))
}

/** One exchange; the answer always names the matter or one of its steps. */
export function drawExchange(random: Random, use: Use = 'train'): Exchange {
  const prompt = drawPrompt(random, use)
  const intent: Intent = { tone: random(), usefulness: random(), length: random() }
  let answer = composeAnswer(prompt, intent, random)
  while (!onTopic(prompt, answer)) answer = composeAnswer(prompt, intent, random)
  return { prompt: prompt.text, answer, intent, scene: prompt.scene.id }
}

/** `count` distinct exchanges of the seed. */
export function corpus(seed: number, count: number): Exchange[] {
  const random = seededRandom(seed)
  const seen = new Set<string>()
  const out: Exchange[] = []
  while (out.length < count) {
    const exchange = drawExchange(random)
    const key = `${exchange.prompt}\n${exchange.answer}`
    if (seen.has(key)) continue
    seen.add(key)
    out.push(exchange)
  }
  return out
}
