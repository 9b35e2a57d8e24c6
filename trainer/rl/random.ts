import { streamSeed } from '../../lm/sampling/random.ts'

/**
 * One seed for a list of whole numbers: `streamSeed` folded over it. Lists that differ in one entry give practically
 * independent streams.
 */
export function seedOf(seed: number, ...path: number[]): number {
  return seedAlong(seed, path)
}

/** The same of a list of any length. */
export function seedAlong(seed: number, path: readonly number[]): number {
  return path.reduce((stream, index) => streamSeed(stream, index), seed >>> 0)
}
