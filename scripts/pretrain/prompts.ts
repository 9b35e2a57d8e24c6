/** What people write to the model. A pairing of a trouble with a detail is either for training or held out. */
import { greetings, questions } from './phrases.ts'
import { hash, pick, seededRandom, shuffled, type Random } from './random.ts'
import { scenes, situations, type Scene } from './situations.ts'

/** One in this many of a situation's pairings is drawn to be held out; the first one drawn is. */
const HELD_OUT_SHARE = 12

export type Prompt = { text: string; scene: Scene; feeling: string }

/**
 * Pairings "scene#trouble" that no training text contains: at most one in a situation, so that its trouble is known
 * from other details and its detail from other troubles.
 */
const heldOutPairings = new Set(
  situations.flatMap((situation) =>
    situation.scenes
      .flatMap((scene) => scene.troubles.map((_, i) => `${scene.id}#${i}`))
      .filter((pairing) => hash(pairing) % HELD_OUT_SHARE === 0)
      .slice(0, 1),
  ),
)

/** A scene's troubles for one use; may be empty. */
function troubles(scene: Scene, use: Use): string[] {
  return scene.troubles.filter((_, i) => heldOutPairings.has(`${scene.id}#${i}`) === (use === 'held-out'))
}

const training = scenes.filter((scene) => troubles(scene, 'train').length > 0)
const heldOut = scenes.filter((scene) => troubles(scene, 'held-out').length > 0)

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
  return dress(scene, pick(troubles(scene, use), random), random)
}

/** `count` distinct prompts that pretraining may have seen, in a seeded order. */
export function trainPrompts(seed: number, count = 600): string[] {
  const random = seededRandom(seed)
  const seen = new Set<string>()
  while (seen.size < count) seen.add(drawPrompt(random).text)
  return [...seen]
}

/**
 * `count` distinct prompts of pairings that no training text contains (at most one for each
 * pairing), in a seeded order; throws if there are too few.
 */
export function heldOutPrompts(seed: number, count = 64): string[] {
  const random = seededRandom(seed)
  const all = scenes.flatMap((scene) =>
    troubles(scene, 'held-out').map((trouble) => dress(scene, trouble, random).text),
  )
  const distinct = shuffled([...new Set(all)], random)
  if (count > distinct.length) throw new Error(`heldOutPrompts: ${count} asked for, ${distinct.length} exist`)
  return distinct.slice(0, count)
}
