/** Operations that move entries without changing them, and the sums that undo broadcasting. */
import { axisOf, sameShape, sizeOf, tensor, type Shape, type Tensor } from './tensor.ts'
import { reduceSum } from './reduce.ts'

/** The same entries in another shape of the same size; one size may be -1. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1)
  const full = shape.map((size) => (size === -1 ? sizeOf(x.shape) / known : size))
  if (sizeOf(full) !== sizeOf(x.shape)) throw new Error(`reshape: [${x.shape}] does not have the size of [${shape}]`)
  if (sameShape(full, x.shape)) return x
  // A reshape of a reshape reads the first one's input.
  const source = x.op === 'reshape' ? (x.inputs[0] ?? x) : x
  return tensor({
    op: 'reshape',
    inputs: [source],
    attributes: {},
    shape: full,
    dtype: x.dtype,
    backward: (dy) => [reshape(dy, source.shape)],
  })
}

/** x repeated along its axes of size 1 (and new leading ones) until it has `shape`. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x
  const fits =
    x.shape.length <= shape.length &&
    x.shape.every((size, i) => size === 1 || size === shape[shape.length - x.shape.length + i])
  if (!fits) throw new Error(`broadcastTo: [${x.shape}] does not broadcast to [${shape}]`)
  return tensor({
    op: 'broadcastTo',
    inputs: [x],
    attributes: {},
    shape,
    dtype: x.dtype,
    backward: (dy) => [sumTo(dy, x.shape)],
  })
}

/** Axis i of the result is axis `permutation[i]` of x. */
export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  const rank = x.shape.length
  if (permutation.length !== rank || new Set(permutation).size !== rank)
    throw new Error(`transpose: [${permutation}] does not permute [${x.shape}]`)
  // A transpose of a transpose reads the first one's input.
  const [source] = x.inputs
  if (isTranspose(x) && source)
    return transpose(
      source,
      permutation.map((axis) => at(x.attributes.permutation, axis)),
    )
  const shape = permutation.map((axis) => at(x.shape, axisOf('transpose', x.shape, axis)))
  // If only axes of size 1 move, the memory layout stays the same.
  const moving = permutation.filter((axis) => x.shape[axis] !== 1)
  if (moving.every((axis, i) => i === 0 || axis > at(moving, i - 1))) return reshape(x, shape)
  const inverse = permutation.map((_, i) => permutation.indexOf(i))
  return tensor({
    op: 'transpose',
    inputs: [x],
    attributes: { permutation },
    shape,
    dtype: x.dtype,
    backward: (dy) => [transpose(dy, inverse)],
  })
}

function isTranspose(x: Tensor): x is Tensor<'transpose'> {
  return x.op === 'transpose'
}

/** Tensors concatenated along `axis`; their other axes agree. */
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const [first] = parts
  if (!first) throw new Error('concat: nothing to join')
  const along = axisOf('concat', first.shape, axis)
  let total = 0
  const starts = parts.map((part) => {
    const fits =
      part.dtype === first.dtype &&
      part.shape.length === first.shape.length &&
      part.shape.every((size, i) => i === along || size === first.shape[i])
    if (!fits)
      throw new Error(
        `concat: ${part.dtype} [${part.shape}] does not join ${first.dtype} [${first.shape}] on axis ${axis}`,
      )
    total += at(part.shape, along)
    return total - at(part.shape, along)
  })
  const shape = first.shape.map((size, i) => (i === along ? total : size))
  return tensor({
    op: 'concat',
    inputs: parts,
    attributes: { axis: along },
    shape,
    dtype: first.dtype,
    backward: (dy) =>
      parts.map((part, i) => {
        const start = at(starts, i)
        return slice(dy, along, start, start + at(part.shape, along))
      }),
  })
}

/** Entries `start` to `end` (exclusive, `axis` may be negative) of one axis. */
export function slice(x: Tensor, axis: number, start: number, end: number): Tensor {
  const along = axisOf('slice', x.shape, axis)
  const size = at(x.shape, along)
  if (start < 0 || end > size || start > end)
    throw new Error(`slice: ${start}…${end} is not within axis ${axis} of [${x.shape}]`)
  if (start === 0 && end === size) return x
  const starts = x.shape.map((_, i) => (i === along ? start : 0))
  const ends = x.shape.map((full, i) => (i === along ? end : full))
  const after = x.shape.map((full, i) => full - at(ends, i))
  return tensor({
    op: 'slice',
    inputs: [x],
    attributes: { starts, ends },
    shape: ends.map((stop, i) => stop - at(starts, i)),
    dtype: x.dtype,
    backward: (dy) => [pad(dy, starts, after)],
  })
}

/** x split into `count` equal parts along `axis`. */
export function split(x: Tensor, count: number, axis: number): Tensor[] {
  const size = at(x.shape, axisOf('split', x.shape, axis))
  if (size % count !== 0) throw new Error(`split: axis ${axis} of [${x.shape}] is not divisible by ${count}`)
  const part = size / count
  return Array.from({ length: count }, (_, i) => slice(x, axis, i * part, (i + 1) * part))
}

/** x padded with zeros: `before[i]` and `after[i]` of them on axis i. */
export function pad(x: Tensor, before: readonly number[], after: readonly number[]): Tensor {
  if (before.length !== x.shape.length || after.length !== x.shape.length)
    throw new Error(`pad: one size for each axis of [${x.shape}]`)
  const shape = x.shape.map((size, i) => at(before, i) + size + at(after, i))
  return tensor({
    op: 'pad',
    inputs: [x],
    attributes: { before, after },
    shape,
    backward: (dy) => [
      x.shape.reduce((inner, size, axis) => slice(inner, axis, at(before, axis), at(before, axis) + size), dy),
    ],
  })
}

/** x summed over every axis along which `shape` was broadcast to reach x's: broadcasting's gradient. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x
  const lead = x.shape.length - shape.length
  const axes = x.shape.flatMap((size, i) => (i < lead || (shape[i - lead] === 1 && size !== 1) ? [i] : []))
  return reshape(reduceSum(x, axes, true), shape)
}

function at(values: readonly number[], index: number): number {
  const value = values[index]
  if (value === undefined) throw new Error(`no entry ${index} in [${values}]`)
  return value
}
