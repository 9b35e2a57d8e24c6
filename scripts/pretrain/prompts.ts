/** What people write to the model. A pairing of a trouble with a detail is either for training or held out. */
import { greetings, questions } from './phrases.ts'
import { hash, pick, seededRandom, shuffled, type Random } from './random.ts'
import { scenes, type Scene } from './situations.ts'

/** One scene in `HELD_OUT_SHARE` of its troubles is never used in a training text. */
const HELD_OUT_SHARE = 12

export type Prompt = { text: string; scene: Scene; feeling: string }

function isHeldOut(scene: Scene, trouble: number): boolean {
  return hash(`${scene.id}#${trouble}`) % HELD_OUT_SHARE === 0
}

/** A scene's troubles of one kind; may be empty. */
function troubles(scene: Scene, measured: boolean): string[] {
  return scene.troubles.filter((_, i) => isHeldOut(scene, i) === measured)
}

const training = scenes.filter((scene) => troubles(scene, false).length > 0)
const heldOut = scenes.filter((scene) => troubles(scene, true).length > 0)

function dress(scene: Scene, trouble: string, random: Random): Prompt {
  const feeling = pick(scene.feelings, random)
  const question = pick(questions, random).replace('{feeling}', feeling)
  const text = [pick(greetings, random), trouble, question].filter((part) => part !== '').join(' ')
  return { text, scene, feeling }
}

/** What a prompt is drawn for: to train on, or to measure on. */
export type Use = 'train' | 'held-out'

/** One prompt. */
export function drawPrompt(random: Random, use: Use = 'train'): Prompt {
  const scene = pick(use === 'train' ? training : heldOut, random)
  return dress(scene, pick(troubles(scene, use === 'held-out'), random), random)
}

/** `count` distinct prompts that pretraining may have seen, in a seeded order. */
export function trainPrompts(seed: number, count = 600): string[] {
  const random = seededRandom(seed)
  const seen = new Set<string>()
  while (seen.size < count) seen.add(drawPrompt(random).text)
  return [...seen]
}

/**
 * `count` distinct prompts of pairings that no training text holds (at most one for each pairing),
 * in a seeded order; throws when there are not so many.
 */
export function heldOutPrompts(seed: number, count = 64): string[] {
  const random = seededRandom(seed)
  const all = scenes.flatMap((scene) => troubles(scene, true).map((trouble) => dress(scene, trouble, random).text))
  const distinct = shuffled([...new Set(all)], random)
  if (count > distinct.length) throw new Error(`heldOutPrompts: ${count} asked for, ${distinct.length} exist`)
  return distinct.slice(0, count)
}
