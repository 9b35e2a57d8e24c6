import { exactDiv } from '../graph/index.ts'
import { openRandom } from '../models/random.ts'

/**
 * A seeded permutation of `0 … size-1`, cut into `parts` minibatches of equal size: every index
 * once. The order depends on the seed alone.
 *
 * @throws Error where `parts` does not divide `size`.
 */
export function minibatches(size: number, parts: number, seed: number): number[][] {
  const each = exactDiv(size, parts, 'rollouts by minibatches')
  const order = permutation(size, seed)
  return Array.from({ length: parts }, (_, i) => order.slice(i * each, (i + 1) * each))
}

/** Fisher and Yates's shuffle of `0 … size-1`. */
export function permutation(size: number, seed: number): number[] {
  const random = openRandom(seed)
  const order = Array.from({ length: size }, (_, i) => i)
  for (let i = size - 1; i > 0; i--) {
    const j = Math.floor(random.uniform() * (i + 1))
    const moved = order[i]
    order[i] = order[j]
    order[j] = moved
  }
  return order
}
