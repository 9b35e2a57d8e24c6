/**
 * Divides a model's prompts into those that a run trains on and those held out from it. Pure.
 *
 * A prompt's side depends on the prompts alone, not on the run's seed or on their order in the file: runs of one model
 * are compared on the same prompts, and a branch keeps those of its origin. Prompts that are the same text stay on one
 * side. A greater share holds out what a smaller one does, and more.
 */
import { createHash } from 'node:crypto'
import type { Prompt } from '../../lm/files/prompt-file.ts'

export interface Split {
  /** In the file's order. */
  training: Prompt[]
  /** Different texts, in the order in which an evaluation takes them. */
  heldOut: string[]
}

/**
 * Holds out `share` of the different prompts, rounded down: of fewer than 1 / share prompts none, so that what little
 * there is, is trained on.
 */
export function splitPrompts(prompts: readonly Prompt[], share: number): Split {
  const texts = [...new Set(prompts.map(({ prompt }) => prompt))]
  // At least one is trained on, whatever the share.
  const count = Math.min(texts.length - 1, Math.floor(share * texts.length))
  const placed = texts.map((text) => ({ text, place: placeOf(text) }))
  const heldOut = placed
    .sort((a, b) => (a.place < b.place ? -1 : 1))
    .slice(0, count)
    .map(({ text }) => text)
  const held = new Set(heldOut)
  return { training: prompts.filter(({ prompt }) => !held.has(prompt)), heldOut }
}

/** Uniform, and different for different texts. The prefix is the split's seed: changing it holds out other prompts. */
const placeOf = (text: string): string => createHash('sha256').update(`held out/${text}`).digest('hex')
