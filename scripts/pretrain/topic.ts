/** What a prompt is about, and whether a piece of an answer is about the same. */
import { wordsOf } from './grammar.ts'
import { scenes, type Scene } from './situations.ts'

const STOP = new Set(
  `a an the and or but to of in on at for with from by about as if it is are was be been am do does did not no so that this
  these those i you he she we they me him her us them my your his our their what who how when where can could should will
  would must may have has had one two three there here then than too all every each some any more most very now again out
  up off over only own same time day week ask tell feel help please need hello advice`.split(/\s+/),
)

/** The content words of a phrase. */
export function contentWords(text: string): string[] {
  return wordsOf(text).filter((word) => /\p{L}/u.test(word) && !STOP.has(word))
}

/** A topic: a situation's phrases over all its details, or only the prompt's own words where it is unknown. */
export type Topic = { scene: Scene | null; words: ReadonlySet<string>; phrases: ReadonlySet<string> }

const bySituation = new Map<string, Scene[]>()
for (const scene of scenes) bySituation.set(scene.situation, [...(bySituation.get(scene.situation) ?? []), scene])

/** Scenes by trouble text; a trouble that names no detail belongs to the situation's first scene. */
const byTrouble = new Map<string, Scene>()
for (const scene of scenes) {
  for (const trouble of scene.troubles) if (!byTrouble.has(trouble)) byTrouble.set(trouble, scene)
}

const sceneWords = scenes.map((scene) => ({
  scene,
  words: new Set(contentWords([scene.about, ...scene.troubles, ...scene.steps].join(' '))),
}))

/** The scene whose words the prompt shares most; null where it shares fewer than two. */
function nearest(prompt: string): Scene | null {
  const words = contentWords(prompt)
  let best: Scene | null = null
  let most = 1
  for (const { scene, words: own } of sceneWords) {
    const shared = words.filter((word) => own.has(word)).length
    if (shared > most) [best, most] = [scene, shared]
  }
  return best
}

const topics = new Map<string, Topic>()

/** What a prompt is about; prompts of the generator are recognised exactly, others by shared words. */
export function topicOf(prompt: string): Topic {
  const cached = topics.get(prompt)
  if (cached !== undefined) return cached
  const trouble = [...byTrouble.keys()].find((text) => prompt.includes(text))
  const scene = (trouble === undefined ? undefined : byTrouble.get(trouble)) ?? nearest(prompt)
  const family = scene === null ? [] : (bySituation.get(scene.situation) ?? [])
  const phrases = family.flatMap((member) => [member.about, ...member.steps]).map((phrase) => phrase.toLowerCase())
  const topic: Topic = {
    scene,
    words: new Set(contentWords([prompt, ...phrases].join(' '))),
    phrases: new Set(phrases),
  }
  if (topics.size > 10_000) topics.clear()
  topics.set(prompt, topic)
  return topic
}

/** Whether a slot's text belongs to the topic: one of its phrases, or at least half its content words shared. */
export function belongs(mention: string, topic: Topic): boolean {
  if (topic.phrases.has(mention)) return true
  const words = contentWords(mention)
  return words.length > 0 && words.filter((word) => topic.words.has(word)).length >= words.length / 2
}
