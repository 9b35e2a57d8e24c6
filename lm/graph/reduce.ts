/** Reductions over axes. */
import { axisOf, sizeOf, tensor, type Shape, type Tensor } from './tensor.ts'
import { cast, div, equal, mul } from './elementwise.ts'
import { broadcastTo, reshape } from './shape.ts'

/** The sum over `axes` (all of them by default). */
export function reduceSum(x: Tensor, axes: readonly number[] = allAxes(x), keepDims = false): Tensor {
  const along = axes.map((axis) => axisOf('reduceSum', x.shape, axis))
  if (along.length === 0) return x
  const kept = reducedShape(x.shape, along, true)
  return tensor({
    op: 'reduceSum',
    inputs: [x],
    attributes: { axes: along, keepDims },
    shape: reducedShape(x.shape, along, keepDims),
    backward: (dy) => [broadcastTo(reshape(dy, kept), x.shape)],
  })
}

/** The mean over `axes` (all of them by default). */
export function reduceMean(x: Tensor, axes: readonly number[] = allAxes(x), keepDims = false): Tensor {
  const along = axes.map((axis) => axisOf('reduceMean', x.shape, axis))
  if (along.length === 0) return x
  const kept = reducedShape(x.shape, along, true)
  const count = sizeOf(x.shape) / sizeOf(kept)
  return tensor({
    op: 'reduceMean',
    inputs: [x],
    attributes: { axes: along, keepDims },
    shape: reducedShape(x.shape, along, keepDims),
    backward: (dy) => [broadcastTo(mul(reshape(dy, kept), 1 / count), x.shape)],
  })
}

/** The greatest entry over `axes` (all by default); ties share its gradient equally. */
export function reduceMax(x: Tensor, axes: readonly number[] = allAxes(x), keepDims = false): Tensor {
  const along = axes.map((axis) => axisOf('reduceMax', x.shape, axis))
  if (along.length === 0) return x
  const kept = reducedShape(x.shape, along, true)
  return tensor({
    op: 'reduceMax',
    inputs: [x],
    attributes: { axes: along, keepDims },
    shape: reducedShape(x.shape, along, keepDims),
    backward: (dy, y) => {
      const winners = cast(equal(x, reshape(y, kept)), 'float32')
      return [mul(winners, div(reshape(dy, kept), reduceSum(winners, along, true)))]
    },
  })
}

/** The index of the greatest entry on the last axis, the first of equals: int32, the last axis dropped. */
export function argMax(x: Tensor): Tensor {
  return tensor({
    op: 'argMax',
    inputs: [x],
    attributes: {},
    shape: x.shape.slice(0, -1),
    dtype: 'int32',
    backward: null,
  })
}

function allAxes(x: Tensor): number[] {
  return x.shape.map((_, i) => i)
}

function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): Shape {
  return keepDims ? shape.map((size, i) => (axes.includes(i) ? 1 : size)) : shape.filter((_, i) => !axes.includes(i))
}
