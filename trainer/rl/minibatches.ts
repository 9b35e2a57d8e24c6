import { exactDiv } from '../../lm/graph/index.ts'
import { openRandom } from '../../lm/sampling/random.ts'

/**
 * A seeded permutation of `0 … size-1`, split into `parts` minibatches of equal size: every index
 * once. `together` neighbours (2i and 2i + 1, for example) stay together. The order depends on the seed alone.
 *
 * @throws Error where `parts` does not divide `size`, or `together` a part.
 */
export function minibatches(size: number, parts: number, seed: number, together = 1): number[][] {
  const each = exactDiv(
    exactDiv(size, parts, 'rollouts by minibatches'),
    together,
    'the rollouts of a minibatch by those that stay together',
  )
  const order = permutation(parts * each, seed)
  return Array.from({ length: parts }, (_, part) =>
    order
      .slice(part * each, (part + 1) * each)
      .flatMap((block) => Array.from({ length: together }, (_, k) => block * together + k)),
  )
}

/** Neighbours in groups of `size`, in their order; the last one may be smaller. */
export const inGroups = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, g) => items.slice(g * size, (g + 1) * size))

/** Fisher and Yates's shuffle of `0 … size-1`. */
export function permutation(size: number, seed: number): number[] {
  const random = openRandom(seed)
  const order = Array.from({ length: size }, (_, i) => i)
  for (let i = size - 1; i > 0; i--) {
    const j = Math.floor(random.uniform() * (i + 1))
    const moved = order[i]!
    order[i] = order[j]!
    order[j] = moved
  }
  return order
}
