/** Each operation in TensorFlow.js, one table entry per operation. */
import * as tf from '@tensorflow/tfjs-core'
import { hostType, type OpName, type Tensor } from '../graph/index.ts'

export type Interpreter<K extends OpName> = (node: Tensor<K>, inputs: tf.Tensor[]) => tf.Tensor

type Unary = (x: tf.Tensor) => tf.Tensor
type Binary = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor
const unary =
  (op: Unary) =>
  (_: unknown, inputs: tf.Tensor[]): tf.Tensor =>
    op(first(inputs))
const binary =
  (op: Binary) =>
  (_: unknown, inputs: tf.Tensor[]): tf.Tensor =>
    op(first(inputs), second(inputs))
const unbound = ({ op }: Tensor): never => {
  throw new Error(`${op} has no value of its own`)
}

export const interpreters: { [K in OpName]: Interpreter<K> } = {
  input: unbound,
  state: unbound,
  constant: (node) => tf.tensor(node.attributes.data, [...node.shape], hostType(node)),
  neg: unary((x) => tf.neg(x)),
  exp: unary((x) => tf.exp(x)),
  log: unary((x) => tf.log(x)),
  sqrt: unary((x) => tf.sqrt(x)),
  reciprocal: unary((x) => tf.reciprocal(x)),
  abs: unary((x) => tf.abs(x)),
  tanh: unary((x) => tf.tanh(x)),
  sigmoid: unary((x) => tf.sigmoid(x)),
  relu: unary((x) => tf.relu(x)),
  softplus: unary((x) => tf.softplus(x)),
  sin: unary((x) => tf.sin(x)),
  cos: unary((x) => tf.cos(x)),
  gelu: unary((x) =>
    tf.mul(x, tf.sigmoid(tf.mul(2 * Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, tf.mul(x, tf.mul(x, x))))))),
  ),
  add: binary((a, b) => tf.add(a, b)),
  sub: binary((a, b) => tf.sub(a, b)),
  mul: binary((a, b) => tf.mul(a, b)),
  div: binary((a, b) => tf.div(a, b)),
  minimum: binary((a, b) => tf.minimum(a, b)),
  maximum: binary((a, b) => tf.maximum(a, b)),
  less: binary((a, b) => tf.less(a, b)),
  greater: binary((a, b) => tf.greater(a, b)),
  equal: binary((a, b) => tf.equal(a, b)),
  and: binary((a, b) => tf.logicalAnd(a, b)),
  or: binary((a, b) => tf.logicalOr(a, b)),
  not: unary((x) => tf.logicalNot(x)),
  where: (node, [condition, a, b]) => {
    const [c, x, y] = [condition, a, b].map((input) => tf.broadcastTo(present(input), [...node.shape]))
    return tf.where(present(c), present(x), present(y))
  },
  cast: (node, inputs) => tf.cast(first(inputs), hostType(node)),
  clip: ({ attributes: { min, max } }, inputs) => tf.clipByValue(first(inputs), min, max),
  identity: unary((x) => x.clone()),
  reshape: ({ shape }, inputs) => tf.reshape(first(inputs), [...shape]),
  broadcastTo: ({ shape }, inputs) => tf.broadcastTo(first(inputs), [...shape]),
  transpose: ({ attributes }, inputs) => tf.transpose(first(inputs), [...attributes.permutation]),
  concat: ({ attributes }, inputs) => tf.concat(inputs, attributes.axis),
  slice: ({ attributes: { starts }, shape }, inputs) => tf.slice(first(inputs), [...starts], [...shape]),
  pad: ({ attributes: { before, after } }, inputs) =>
    tf.pad(
      first(inputs),
      before.map((size, i): [number, number] => [size, after[i] ?? 0]),
    ),
  reduceSum: ({ attributes: { axes, keepDims } }, inputs) => tf.sum(first(inputs), [...axes], keepDims),
  reduceMean: ({ attributes: { axes, keepDims } }, inputs) => tf.mean(first(inputs), [...axes], keepDims),
  reduceMax: ({ attributes: { axes, keepDims } }, inputs) => tf.max(first(inputs), [...axes], keepDims),
  argMax: unary((x) => tf.argMax(x, -1)),
  matmul: ({ attributes: { transposeA, transposeB, alpha } }, inputs) =>
    tf.mul(tf.matMul(first(inputs), second(inputs), transposeA, transposeB), alpha),
  gather: binary((table, ids) => tf.gather(table, tf.cast(ids, 'int32'))),
  scatterAddRows: ({ shape }, inputs) => tf.scatterND(tf.expandDims(first(inputs), 1), second(inputs), [...shape]),
  takeAlong: ({ inputs: [x] }, inputs) =>
    tf.sum(tf.mul(first(inputs), oneHot(second(inputs), x?.shape.at(-1) ?? 0)), -1),
  addAlong: ({ shape }, inputs) =>
    tf.add(first(inputs), tf.mul(tf.expandDims(second(inputs), -1), oneHot(present(inputs[2]), shape.at(-1) ?? 0))),
  writeRows: (_, [cache, rows, positions]) =>
    tf.stack(
      tf.unstack(present(cache)).map((row, i) => {
        const start = present(positions).arraySync()
        const at = Array.isArray(start) && typeof start[i] === 'number' ? start[i] : 0
        const fresh = present(tf.unstack(present(rows))[i])
        const [heads = 0, length = 0, depth = 0] = row.shape
        const after = at + (fresh.shape[1] ?? 0)
        return tf.concat(
          [
            tf.slice(row, [0, 0, 0], [heads, at, depth]),
            fresh,
            tf.slice(row, [0, after, 0], [heads, length - after, depth]),
          ],
          1,
        )
      }),
    ),
  softmax: unary((x) => tf.softmax(x)),
  logSoftmax: unary((x) => tf.logSoftmax(x)),
  layerNorm: ({ attributes }, inputs) => {
    const x = first(inputs)
    const { mean, variance } = tf.moments(x, -1, true)
    return tf.add(
      tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, attributes.epsilon))), second(inputs)),
      present(inputs[2]),
    )
  },
  layerNormMoment: ({ attributes: { moment, epsilon } }, inputs) => {
    const { mean, variance } = tf.moments(second(inputs), -1, true)
    return moment === 'mean' ? mean : tf.rsqrt(tf.add(variance, epsilon))
  },
}

function oneHot(ids: tf.Tensor, width: number): tf.Tensor {
  return tf.cast(tf.equal(tf.expandDims(tf.cast(ids, 'int32'), -1), tf.range(0, width, 1, 'int32')), 'float32')
}

function first(inputs: tf.Tensor[]): tf.Tensor {
  return present(inputs[0])
}

function second(inputs: tf.Tensor[]): tf.Tensor {
  return present(inputs[1])
}

function present(tensor: tf.Tensor | undefined): tf.Tensor {
  if (!tensor) throw new Error('an operation lacks an input')
  return tensor
}
