/** Normalisations over the last axis. */
import { sameShape, tensor, type Tensor } from './tensor.ts'
import { add, exp, mul, reciprocal, sqrt, sub } from './elementwise.ts'
import { reduceMean, reduceSum } from './reduce.ts'
import { sumTo } from './shape.ts'

/** Softmax over the last axis. */
export function softmax(x: Tensor): Tensor {
  return tensor({
    op: 'softmax',
    inputs: [x],
    attributes: {},
    shape: x.shape,
    backward: (dy, y) => {
      const weighted = mul(dy, y)
      return [sub(weighted, mul(y, reduceSum(weighted, [-1], true)))]
    },
  })
}

/** Log-softmax over the last axis. */
export function logSoftmax(x: Tensor): Tensor {
  return tensor({
    op: 'logSoftmax',
    inputs: [x],
    attributes: {},
    shape: x.shape,
    backward: (dy, y) => [sub(dy, mul(exp(y), reduceSum(dy, [-1], true)))],
  })
}

/** Layer normalisation over the last axis (Ba et al. 2016): x [..., C], gain [C], bias [C]. */
export function layerNorm(x: Tensor, gain: Tensor, bias: Tensor, epsilon: number): Tensor {
  const width = x.shape.slice(-1)
  if (!sameShape(gain.shape, width) || !sameShape(bias.shape, width))
    throw new Error(`layerNorm: gain [${gain.shape}] and bias [${bias.shape}] do not fit [${x.shape}]`)
  return tensor({
    op: 'layerNorm',
    inputs: [x, gain, bias],
    attributes: { epsilon },
    shape: x.shape,
    backward: (dy, y) => {
      const inverse = layerNormMoment(y, x, epsilon, 'inverseDeviation')
      const normal = mul(sub(x, layerNormMoment(y, x, epsilon, 'mean')), inverse)
      const scaled = mul(dy, gain)
      const along = reduceMean(mul(scaled, normal), [-1], true)
      const dx = mul(sub(sub(scaled, reduceMean(scaled, [-1], true)), mul(normal, along)), inverse)
      return [dx, sumTo(mul(dy, normal), gain.shape), sumTo(dy, bias.shape)]
    },
  })
}

/** Root-mean-square normalisation over the last axis (Zhang & Sennrich 2019): x [..., C], gain [C]. */
export function rmsNorm(x: Tensor, gain: Tensor, epsilon: number): Tensor {
  if (!sameShape(gain.shape, x.shape.slice(-1)))
    throw new Error(`rmsNorm: gain [${gain.shape}] does not fit [${x.shape}]`)
  const inverse = reciprocal(sqrt(add(reduceMean(mul(x, x), [-1], true), epsilon)))
  const normal = mul(x, inverse)
  return tensor({
    op: 'identity',
    inputs: [mul(normal, gain), x, gain],
    attributes: {},
    shape: x.shape,
    backward: (dy) => {
      const scaled = mul(dy, gain)
      const along = reduceMean(mul(scaled, normal), [-1], true)
      return [null, mul(sub(scaled, mul(normal, along)), inverse), sumTo(mul(dy, normal), gain.shape)]
    },
  })
}

/** A moment of x that `normalised`, its layer norm, computes on the way: [..., 1]. An engine may read either. */
function layerNormMoment(normalised: Tensor, x: Tensor, epsilon: number, moment: 'mean' | 'inverseDeviation'): Tensor {
  return tensor({
    op: 'layerNormMoment',
    inputs: [normalised, x],
    attributes: { moment, epsilon },
    shape: [...x.shape.slice(0, -1), 1],
    backward: null,
  })
}
