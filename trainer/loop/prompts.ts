import { createHash } from 'node:crypto'
import { exactDiv } from '../../lm/graph/index.ts'
import { readPromptFile, type Prompt } from '../../lm/files/prompt-file.ts'
import { splitPrompts } from '../evaluation/held-out.ts'
import { permutation } from '../rl/minibatches.ts'

/** The prompts of a run. */
export interface PromptSource {
  /** `count` prompts from position `start` on: full passes, each in its own seeded order. */
  draw(start: number, count: number, seed: number): string[]
  /** A prompt's reference answer; undefined without one. */
  answerTo(prompt: string): string | undefined
  readonly size: number
}

/** The prompts of a model directory. */
export async function readPrompts(directory: string): Promise<PromptSource> {
  return promptSource(await readPromptFile(directory))
}

/** The prompts that a run trains on, and those held out from it (held-out.ts). */
export async function readSplitPrompts(
  directory: string,
  share: number,
): Promise<{ training: PromptSource; heldOut: readonly string[] }> {
  const { training, heldOut } = splitPrompts(await readPromptFile(directory), share)
  return { training: promptSource(training), heldOut }
}

export function promptSource(prompts: readonly Prompt[]): PromptSource {
  const { length: size } = prompts
  const answers = new Map(prompts.map(({ prompt, answer }) => [prompt, answer]))
  return {
    size,
    draw(start, count, seed) {
      const orders = new Map<number, number[]>()
      return Array.from({ length: count }, (_, i) => {
        const pass = Math.floor((start + i) / size)
        const order = orders.get(pass) ?? permutation(size, seed + pass)
        orders.set(pass, order)
        return prompts[order[(start + i) % size]!]!.prompt
      })
    },
    answerTo: (prompt) => answers.get(prompt),
  }
}

/**
 * The prompts of a step, `batchSize` in all, each as often as it is to be answered: a group's answers stand next to
 * each other.
 */
export function drawGroups(
  prompts: PromptSource,
  { step, batchSize, groupSize, seed }: { step: number; batchSize: number; groupSize: number; seed: number },
): string[] {
  const count = exactDiv(batchSize, groupSize, 'batchSize by groupSize')
  return prompts.draw((step - 1) * count, count, seed).flatMap((prompt) => new Array<string>(groupSize).fill(prompt))
}

/** The id of the answer at a place of a run: the same whenever it is named (a UUID of version 8, RFC 9562). */
export function sampleId(place: string): string {
  const hash = createHash('sha256').update(place).digest('hex')
  const variant = ((parseInt(hash[16]!, 16) & 0x3) | 0x8).toString(16)
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-${variant}${hash.slice(17, 20)}-${hash.slice(20, 32)}`
}
