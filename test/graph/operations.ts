/** One entry an operation: how to apply it to random inputs of random shapes, away from its kinks and poles. */
import * as g from '../../lm/graph/index.ts'
import type { HostType, Shape, Tensor, TensorData } from '../../lm/graph/index.ts'
import { openRandom } from '../../lm/sampling/random.ts'

export interface Case {
  inputs: Record<string, { shape: Shape; dtype: HostType; data: TensorData }>
  apply: (tensors: (name: string) => Tensor) => Tensor
}

export interface Draw {
  /** A whole number from `low` to `high`, both included. */
  int(low: number, high: number): number
  /** `rank` random sizes of 1 to 4. */
  sizes(rank: number): number[]
  /** Normal values. */
  normal(shape: Shape): Case['inputs'][string]
  /** Values at least 0.1 apart and 0.05 from every multiple of 0.15·n: no ties, no zero. */
  apart(shape: Shape, offset?: number): Case['inputs'][string]
  /** Uniform values from `low` to `high`. */
  within(shape: Shape, low: number, high: number): Case['inputs'][string]
  /** Indices below `bound`. */
  indices(shape: Shape, bound: number): Case['inputs'][string]
}

export function openDraw(seed: number): Draw {
  const random = openRandom(seed)
  const int = (low: number, high: number) => low + Math.floor(random.uniform() * (high - low + 1))
  const floats = (shape: Shape, value: (i: number) => number) => ({
    shape,
    dtype: 'float32' as const,
    data: Float32Array.from({ length: g.sizeOf(shape) }, (_, i) => value(i)),
  })
  return {
    int,
    sizes: (rank) => Array.from({ length: rank }, () => int(1, 4)),
    normal: (shape) => floats(shape, () => random.normal()),
    apart(shape, offset = 0.075) {
      const values = floats(shape, (i) => (i - Math.floor(g.sizeOf(shape) / 2)) * 0.15 + offset)
      for (let i = values.data.length - 1; i > 0; i--) {
        const j = int(0, i)
        const [a = 0, b = 0] = [values.data[i], values.data[j]]
        values.data[i] = b
        values.data[j] = a
      }
      return values
    },
    within: (shape, low, high) => floats(shape, () => low + random.uniform() * (high - low)),
    indices: (shape, bound) => ({
      shape,
      dtype: 'int32',
      data: Int32Array.from({ length: g.sizeOf(shape) }, () => int(0, bound - 1)),
    }),
  }
}

const one =
  (
    op: (x: Tensor) => Tensor,
    fill: (draw: Draw, shape: Shape) => Case['inputs'][string] = (draw, shape) => draw.normal(shape),
  ) =>
  (draw: Draw): Case => ({ inputs: { x: fill(draw, draw.sizes(draw.int(0, 3))) }, apply: (t) => op(t('x')) })

/** Two operands of which one may broadcast. */
const two =
  (op: (a: Tensor, b: Tensor) => Tensor, low = -2, high = 2) =>
  (draw: Draw): Case => {
    const shape = draw.sizes(3)
    const narrow = shape.map((size) => (draw.int(0, 1) ? size : 1)).slice(draw.int(0, 2))
    const [a, b] = draw.int(0, 1) ? [shape, narrow] : [narrow, shape]
    return {
      inputs: { a: { ...draw.apart(a, 0.075) }, b: low > 0 ? draw.within(b, low, high) : draw.apart(b, 0.025) },
      apply: (t) => op(t('a'), t('b')),
    }
  }

const positive = (draw: Draw, shape: Shape) => draw.within(shape, 0.5, 3)
const apart = (draw: Draw, shape: Shape) => draw.apart(shape)
/** A condition's value as a factor, so that logic is tested by what it selects. */
const factor = (condition: Tensor, x: Tensor): Tensor => g.mul(g.cast(condition, 'float32'), x)

const reduction =
  (op: (x: Tensor, axes?: readonly number[], keepDims?: boolean) => Tensor) =>
  (draw: Draw): Case => {
    const shape = draw.sizes(3)
    const axes = [[0], [1, 2], [-1], [0, 2], [0, 1, 2]][draw.int(0, 4)]
    const keep = draw.int(0, 1) === 1
    return { inputs: { x: draw.apart(shape) }, apply: (t) => op(t('x'), axes, keep) }
  }

export const cases: Record<string, (draw: Draw) => Case> = {
  neg: one(g.neg),
  exp: one(g.exp),
  log: one(g.log, positive),
  sqrt: one(g.sqrt, positive),
  reciprocal: one(g.reciprocal, positive),
  abs: one(g.abs, apart),
  tanh: one(g.tanh),
  sigmoid: one(g.sigmoid),
  relu: one(g.relu, apart),
  softplus: one(g.softplus),
  gelu: one(g.gelu),
  sin: one(g.sin),
  cos: one(g.cos),
  square: one(g.square),
  silu: one(g.silu),
  add: two(g.add),
  sub: two(g.sub),
  mul: two(g.mul),
  div: two(g.div, 0.5, 2),
  minimum: two(g.minimum),
  maximum: two(g.maximum),
  less: two((a, b) => factor(g.less(a, b), a)),
  greater: two((a, b) => factor(g.greater(a, b), b)),
  equal: (draw) => ({
    inputs: { x: draw.normal([6]), a: draw.indices([6], 3), b: draw.indices([6], 3) },
    apply: (t) => factor(g.equal(t('a'), t('b')), t('x')),
  }),
  and: two((a, b) => factor(g.and(g.greater(a, 0), g.greater(b, 0)), a)),
  or: two((a, b) => factor(g.or(g.greater(a, 0), g.greater(b, 0)), a)),
  not: one((x) => factor(g.not(g.greater(x, 0)), x), apart),
  where: two((a, b) => g.where(g.less(a, b), g.mul(a, 2), b)),
  cast: (draw) => ({
    inputs: { x: draw.normal([5]), ids: draw.indices([5], 9) },
    apply: (t) => g.mul(g.cast(t('ids'), 'float32'), t('x')),
  }),
  clip: one((x) => g.clip(x, -0.3, 0.45), apart),
  stopGradient: one((x) => g.mul(x, g.add(g.stopGradient(g.mul(x, 0)), 2))),
  reshape: (draw) => {
    const [a = 1, b = 1, c = 1] = draw.sizes(3)
    return { inputs: { x: draw.normal([a, b, c]) }, apply: (t) => g.reshape(t('x'), [-1, a, c]) }
  },
  broadcastTo: (draw) => {
    const [a = 1, b = 1, c = 1] = draw.sizes(3)
    return { inputs: { x: draw.normal([b, 1]) }, apply: (t) => g.broadcastTo(t('x'), [a, b, c]) }
  },
  transpose: (draw) => {
    const permutation =
      [
        [0, 1, 2],
        [2, 0, 1],
        [1, 2, 0],
        [2, 1, 0],
      ][draw.int(0, 3)] ?? []
    return { inputs: { x: draw.normal(draw.sizes(3)) }, apply: (t) => g.transpose(t('x'), permutation) }
  },
  concat: (draw) => {
    const [a = 1, b = 1, c = 1] = draw.sizes(3)
    return {
      inputs: { x: draw.normal([a, b]), y: draw.normal([a, c]) },
      apply: (t) => g.concat([t('x'), t('y'), t('x')], 1),
    }
  },
  slice: (draw) => {
    const shape = [draw.int(1, 3), draw.int(3, 6), draw.int(1, 3)]
    return { inputs: { x: draw.normal(shape) }, apply: (t) => g.slice(t('x'), 1, draw.int(0, 0) + 1, shape[1] ?? 0) }
  },
  split: (draw) => ({
    inputs: { x: draw.normal([draw.int(1, 3), 6]) },
    apply: (t) => {
      const [a, b, c] = g.split(t('x'), 3, 1)
      return a && b && c ? g.add(g.mul(a, b), g.mul(c, 3)) : t('x')
    },
  }),
  pad: (draw) => {
    const [before, after] = [draw.sizes(2), draw.sizes(2)]
    return { inputs: { x: draw.normal(draw.sizes(2)) }, apply: (t) => g.pad(t('x'), before, after) }
  },
  reduceSum: reduction(g.reduceSum),
  reduceMean: reduction(g.reduceMean),
  reduceMax: reduction(g.reduceMax),
  argMax: (draw) => {
    const width = draw.int(2, 4)
    return { inputs: { x: draw.apart([3, width]) }, apply: (t) => g.takeAlong(t('x'), g.argMax(t('x'))) }
  },
  matmul: (draw) => {
    const [a = 1, b = 1, m = 1, k = 1, n = 1] = draw.sizes(5)
    const [transposeA, transposeB] = [draw.int(0, 1) === 1, draw.int(0, 1) === 1]
    const batch = [[], [a], [a, b]][draw.int(0, 2)] ?? []
    const x = draw.normal([...batch, ...(transposeA ? [k, m] : [m, k])])
    const y = draw.normal([...batch.map((size, i) => (i === 0 ? 1 : size)), ...(transposeB ? [n, k] : [k, n])])
    return { inputs: { x, y }, apply: (t) => g.matmul(t('x'), t('y'), { transposeA, transposeB, alpha: 0.7 }) }
  },
  'matmul of a batch and one matrix': (draw) => {
    const [a = 1, m = 1, k = 1, n = 1] = draw.sizes(4)
    return { inputs: { x: draw.normal([a, m, k]), y: draw.normal([k, n]) }, apply: (t) => g.matmul(t('x'), t('y')) }
  },
  linear: (draw) => {
    const [a = 1, b = 1, k = 1, n = 1] = draw.sizes(4)
    return {
      inputs: { x: draw.normal([a, b, k]), w: draw.normal([k, n]), b: draw.normal([n]) },
      apply: (t) => g.linear(t('x'), t('w'), t('b')),
    }
  },
  'linear, transposed and without a bias': (draw) => {
    const [a = 1, b = 1, k = 1, n = 1] = draw.sizes(4)
    return {
      inputs: { x: draw.normal([a, b, k]), w: draw.normal([n, k]) },
      apply: (t) => g.linear(t('x'), t('w'), null, { transposed: true }),
    }
  },
  gather: (draw) => {
    const [rows = 1, width = 1, a = 1, b = 1] = draw.sizes(4)
    return {
      inputs: { table: draw.normal([rows, width]), ids: draw.indices([a, b], rows) },
      apply: (t) => g.gather(t('table'), t('ids')),
    }
  },
  scatterAddRows: (draw) => {
    const [rows = 1, width = 1, count = 1] = draw.sizes(3)
    return {
      inputs: { x: draw.normal([count, width]), ids: draw.indices([count], rows) },
      apply: (t) => g.scatterAddRows(t('ids'), t('x'), rows),
    }
  },
  takeAlong: (draw) => {
    const [a = 1, b = 1, width = 1] = draw.sizes(3)
    return {
      inputs: { x: draw.normal([a, b, width]), ids: draw.indices([a, b], width) },
      apply: (t) => g.takeAlong(t('x'), t('ids')),
    }
  },
  putAlong: (draw) => {
    const [a = 1, b = 1, width = 1] = draw.sizes(3)
    return {
      inputs: { x: draw.normal([a, b]), ids: draw.indices([a, b], width) },
      apply: (t) => g.putAlong(t('x'), t('ids'), width),
    }
  },
  addAlong: (draw) => {
    const [a = 1, b = 1, width = 1] = draw.sizes(3)
    return {
      inputs: { x: draw.normal([a, b, width]), y: draw.normal([a, b]), ids: draw.indices([a, b], width) },
      apply: (t) => g.addAlong(t('x'), t('y'), t('ids')),
    }
  },
  tokenLogProbs: (draw) => {
    const [a = 1, b = 1, width = 1] = draw.sizes(3)
    return {
      inputs: { x: draw.normal([a, b, width]), ids: draw.indices([a, b], width) },
      apply: (t) => g.tokenLogProbs(t('x'), t('ids')),
    }
  },
  entropy: one(g.entropy, (draw, shape) => draw.normal([...shape, 3])),
  softmax: one(g.softmax, (draw, shape) => draw.normal([...shape, 4])),
  logSoftmax: one(g.logSoftmax, (draw, shape) => draw.normal([...shape, 4])),
  layerNorm: (draw) => {
    const [a = 1, b = 1] = draw.sizes(2)
    const width = draw.int(3, 6)
    return {
      inputs: { x: draw.apart([a, b, width]), gain: draw.normal([width]), bias: draw.normal([width]) },
      apply: (t) => g.layerNorm(t('x'), t('gain'), t('bias'), 1e-5),
    }
  },
  rmsNorm: (draw) => {
    const [a = 1, b = 1] = draw.sizes(2)
    const width = draw.int(3, 6)
    return {
      inputs: { x: draw.apart([a, b, width]), gain: draw.normal([width]) },
      apply: (t) => g.rmsNorm(t('x'), t('gain'), 1e-5),
    }
  },
  rotary: (draw) => {
    const [b = 1, heads = 1, length = 1, half = 1] = draw.sizes(4)
    const angles = g.constant(draw.normal([b, 1, length, half]).data, [b, 1, length, half])
    return {
      inputs: { x: draw.normal([b, heads, length, 2 * half]) },
      apply: (t) => g.rotary(t('x'), g.cos(angles), g.sin(angles)),
    }
  },
  attend: (draw) => {
    const [batch = 1, shared = 1, length = 1, span = 1, depth = 1] = draw.sizes(5)
    const heads = shared * draw.int(1, 2)
    const past = draw.within([length, span], -1, 0)
    return {
      inputs: {
        q: draw.normal([batch, heads, length, depth]),
        k: draw.normal([batch, shared, span, depth]),
        v: draw.normal([batch, shared, span, depth]),
      },
      apply: (t) => g.attend(t('q'), t('k'), t('v'), g.constant(past.data, past.shape)),
    }
  },
  'a transposition of a transposition': (draw) => ({
    inputs: { x: draw.normal(draw.sizes(3)) },
    apply: (t) => g.transpose(g.transpose(t('x'), [1, 2, 0]), [2, 1, 0]),
  }),
  writeRows: (draw) => {
    const [b = 1, h = 1, d = 1] = draw.sizes(3)
    const count = draw.int(1, 2)
    return {
      inputs: {
        cache: draw.normal([b, h, 5, d]),
        rows: draw.normal([b, h, count, d]),
        at: draw.indices([b], 6 - count),
      },
      apply: (t) => g.stopGradient(g.writeRows(t('cache'), t('rows'), t('at'))),
    }
  },
}
