import { maxOf } from '../../core/statistics.ts'
import type { Rollout } from './rollout.ts'

/** The static sizes of one compiled graph. */
export interface BatchShape {
  /** B: sequences. */
  rows: number
  /** T: prompt and response tokens. */
  length: number
  /** R: response tokens. */
  responses: number
}

/** A batch as a graph reads it, row-major. Prompts begin at column 0; padding follows the response. */
export interface BatchLayout {
  ids: Int32Array // [B, T]
  /** 1 for a real token. */
  mask: Int32Array // [B, T]
  /** Row of the flattened [B·T] hidden states from which each response token is predicted; 0 for padding. */
  sources: Int32Array // [B·R]
  /** Row of the hidden state at each response token itself; 0 for padding. */
  targets: Int32Array // [B·R]
  /** Row of the hidden state at each response's last token; 0 for rows of padding. */
  last: Int32Array // [B]
  /** The response tokens; 0 for padding. */
  actions: Int32Array // [B, R]
  /** 1 for a real response token. */
  responseMask: Float32Array // [B, R]
}

/** Sequence lengths are rounded up to a multiple of this, to compile few graphs. */
const GRAIN = 16

/** The smallest rounded shape that holds every rollout in batches of `rows`. */
export function shapeOf(
  rollouts: readonly Pick<Rollout, 'promptIds' | 'responseIds'>[],
  rows: number,
  context: number,
): BatchShape {
  const up = (n: number): number => Math.ceil(n / GRAIN) * GRAIN
  const length = maxOf(
    rollouts.map((r) => r.promptIds.length + r.responseIds.length),
    0,
  )
  if (length > context) throw new RangeError(`a rollout of ${length} tokens does not fit the context of ${context}`)
  return {
    rows,
    length: Math.min(context, up(length)),
    responses: up(
      maxOf(
        rollouts.map((r) => r.responseIds.length),
        0,
      ),
    ),
  }
}

/** Lays out at most `shape.rows` rollouts; unused rows are padding of one masked token. */
export function layOut(
  rollouts: readonly Pick<Rollout, 'promptIds' | 'responseIds'>[],
  shape: BatchShape,
): BatchLayout {
  const { rows, length, responses } = shape
  const layout: BatchLayout = {
    ids: new Int32Array(rows * length),
    mask: new Int32Array(rows * length),
    sources: new Int32Array(rows * responses),
    targets: new Int32Array(rows * responses),
    last: new Int32Array(rows),
    actions: new Int32Array(rows * responses),
    responseMask: new Float32Array(rows * responses),
  }
  rollouts.forEach(({ promptIds, responseIds }, b) => {
    const at = b * length
    layout.ids.set(promptIds, at)
    layout.ids.set(responseIds, at + promptIds.length)
    layout.mask.fill(1, at, at + promptIds.length + responseIds.length)
    layout.last[b] = at + promptIds.length + responseIds.length - 1
    responseIds.forEach((id, t) => {
      const i = b * responses + t
      layout.targets[i] = at + promptIds.length + t
      layout.sources[i] = layout.targets[i] - 1
      layout.actions[i] = id
      layout.responseMask[i] = 1
    })
  })
  return layout
}

/** Ragged rows as a padded [B, R] array of zeros. */
export function padRows(rows: readonly ArrayLike<number>[], { rows: count, responses }: BatchShape): Float32Array {
  const padded = new Float32Array(count * responses)
  rows.forEach((row, b) => padded.set(row, b * responses))
  return padded
}

/** The real entries of each of the first `lengths.length` rows of a padded [B, R] array. */
export function unpadRows(padded: Float32Array, lengths: readonly number[], { responses }: BatchShape): Float32Array[] {
  return lengths.map((n, b) => padded.slice(b * responses, b * responses + n))
}
