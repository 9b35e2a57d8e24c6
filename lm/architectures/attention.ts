/** Attention masks as biases. */
import {
  and,
  constant,
  equal,
  greater,
  less,
  not,
  or,
  range,
  reshape,
  sub,
  where,
  type Tensor,
} from '../graph/index.ts'

/** Added to a masked score. Finite, so that a row of padding alone stays finite. */
const unseen = -1e9

/**
 * 0 where row t attends to column s (s ≤ t, within the window and of the same sequence), else a large negative: the
 * numbers of the tokens' sequences [B, T] -> [B, 1, T, T].
 */
export function segmentedBias(segments: Tensor, window: number | null): Tensor {
  const [batch = 0, length = 0] = segments.shape
  const together = equal(reshape(segments, [batch, 1, length, 1]), reshape(segments, [batch, 1, 1, length]))
  return where(
    and(together, not(hidden(columns(length), reshape(range(length), [length, 1]), window))),
    constant(0),
    constant(unseen),
  )
}

/** The same for right padding, which causality masks by itself: [T, T]. */
export function causalBias(length: number, window: number | null): Tensor {
  return where(hidden(columns(length), reshape(range(length), [length, 1]), window), constant(unseen), constant(0))
}

/** The same for one token a sequence, at `positions` [B] of a cache of `length`: [B, 1, 1, length]. */
export function cachedBias(positions: Tensor, length: number, window: number | null): Tensor {
  const [batch = 0] = positions.shape
  const outside = hidden(columns(length), reshape(positions, [batch, 1]), window)
  return reshape(where(outside, constant(unseen), constant(0)), [batch, 1, 1, length])
}

/** One bias for each distinct window. */
export function biasByWindow(make: (window: number | null) => Tensor): (window: number | null) => Tensor {
  const made = new Map<number | null, Tensor>()
  return (window) => {
    const bias = made.get(window) ?? make(window)
    made.set(window, bias)
    return bias
  }
}

function columns(length: number): Tensor {
  return reshape(range(length), [1, length])
}

/** Whether column s is in the future of row t, or further back than the window: s [1, S], t [T, 1] -> [T, S]. */
function hidden(s: Tensor, t: Tensor, window: number | null): Tensor {
  const future = greater(s, t)
  return window === null ? future : or(future, less(s, sub(t, window - 1)))
}
