/** Reading and writing by index. An index is int32 and must be within bounds. */
import { sameShape, tensor, type Tensor } from './tensor.ts'
import { add, exp, mul, neg } from './elementwise.ts'
import { constant } from './leaves.ts'
import { logSoftmax } from './normalise.ts'
import { reduceSum } from './reduce.ts'
import { broadcastTo, reshape } from './shape.ts'

/** Rows of a table, an embedding: table [V, C], ids [...] -> [..., C]. */
export function gather(table: Tensor, ids: Tensor): Tensor {
  const [rows, width] = table.shape
  if (rows === undefined || width === undefined || table.shape.length !== 2)
    throw new Error(`gather: a table has two axes, not [${table.shape}]`)
  expectIndex('gather', ids)
  return tensor({
    op: 'gather',
    inputs: [table, ids],
    attributes: {},
    shape: [...ids.shape, width],
    dtype: table.dtype,
    backward: (dy) => [scatterAddRows(reshape(ids, [-1]), reshape(dy, [-1, width]), rows), null],
  })
}

/** A table of `rows` zero rows with `values` added at `ids`: ids [N], values [N, C] -> [rows, C]. gather's gradient. */
export function scatterAddRows(ids: Tensor, values: Tensor, rows: number): Tensor {
  expectIndex('scatterAddRows', ids)
  const [count, width] = values.shape
  if (width === undefined || !sameShape(ids.shape, [count ?? 0]))
    throw new Error(`scatterAddRows: ids [${ids.shape}] do not fit values [${values.shape}]`)
  return tensor({
    op: 'scatterAddRows',
    inputs: [ids, values],
    attributes: { rows },
    shape: [rows, width],
    backward: (dy) => [null, gather(dy, ids)],
  })
}

/** One entry of the last axis for each index: x [..., V], ids [...] -> [...]. */
export function takeAlong(x: Tensor, ids: Tensor): Tensor {
  expectRows('takeAlong', x, ids)
  const width = x.shape.at(-1) ?? 0
  return tensor({
    op: 'takeAlong',
    inputs: [x, ids],
    attributes: {},
    shape: ids.shape,
    dtype: x.dtype,
    backward: (dy) => [putAlong(dy, ids, width), null],
  })
}

/** Zeros with one value placed on a new last axis: values [...], ids [...] -> [..., width]. takeAlong's gradient. */
export function putAlong(values: Tensor, ids: Tensor, width: number): Tensor {
  return addAlong(broadcastTo(constant(0), [...ids.shape, width]), values, ids)
}

/** x with one value added to an entry of each row of the last axis: x [..., V], values [...], ids [...] -> [..., V]. */
export function addAlong(x: Tensor, values: Tensor, ids: Tensor): Tensor {
  expectRows('addAlong', x, ids)
  if (!sameShape(values.shape, ids.shape))
    throw new Error(`addAlong: values [${values.shape}] and ids [${ids.shape}] differ`)
  return tensor({
    op: 'addAlong',
    inputs: [x, values, ids],
    attributes: {},
    shape: x.shape,
    backward: (dy) => [dy, takeAlong(dy, ids), null],
  })
}

/**
 * Log-probability of one token for each row of logits: logits [..., V], ids [...] -> [...].
 * The same as `takeAlong(logSoftmax(logits), ids)`, with a gradient, dy·(onehot - softmax),
 * that passes over the logits' size three times instead of six.
 */
export function tokenLogProbs(logits: Tensor, ids: Tensor): Tensor {
  const all = logSoftmax(logits)
  const taken = takeAlong(all, ids)
  return tensor({
    op: 'identity',
    inputs: [taken, logits],
    attributes: {},
    shape: ids.shape,
    backward: (dy) => [null, addAlong(mul(exp(all), reshape(neg(dy), [...ids.shape, 1])), dy, ids)],
  })
}

/** Entropy (nats) of each row's softmax: logits [..., V] -> [...]. Its gradient is -dy·p·(log p + H). */
export function entropy(logits: Tensor): Tensor {
  const all = logSoftmax(logits)
  const probabilities = exp(all)
  const value = neg(reduceSum(mul(probabilities, all), [-1]))
  const column = (x: Tensor): Tensor => reshape(x, [...value.shape, 1])
  return tensor({
    op: 'identity',
    inputs: [value, logits],
    attributes: {},
    shape: value.shape,
    backward: (dy) => [null, mul(mul(probabilities, add(all, column(value))), column(neg(dy)))],
  })
}

/**
 * A cache with `rows` written from each sequence's own position on: cache [B, H, T, D],
 * rows [B, H, n, D], positions [B] -> [B, H, T, D]. Written in place where the cache is a
 * state that nothing else reads. No gradient: a cache serves sampling.
 */
export function writeRows(cache: Tensor, rows: Tensor, positions: Tensor): Tensor {
  expectIndex('writeRows', positions)
  const [batch, heads, length, depth] = cache.shape
  const [rowBatch, rowHeads, count, rowDepth] = rows.shape
  const fits =
    cache.shape.length === 4 &&
    rows.shape.length === 4 &&
    batch === rowBatch &&
    heads === rowHeads &&
    depth === rowDepth &&
    (count ?? 0) <= (length ?? 0) &&
    sameShape(positions.shape, [batch ?? 0])
  if (!fits)
    throw new Error(`writeRows: rows [${rows.shape}] at [${positions.shape}] do not fit cache [${cache.shape}]`)
  return tensor({
    op: 'writeRows',
    inputs: [cache, rows, positions],
    attributes: {},
    shape: cache.shape,
    backward: null,
  })
}

function expectIndex(op: string, ids: Tensor): void {
  if (ids.dtype !== 'int32') throw new Error(`${op}: an index is int32, not ${ids.dtype}`)
}

function expectRows(op: string, x: Tensor, ids: Tensor): void {
  expectIndex(op, ids)
  if (!sameShape(ids.shape, x.shape.slice(0, -1))) throw new Error(`${op}: ids [${ids.shape}] do not fit [${x.shape}]`)
}
