/** Rotary position embedding (Su et al. 2021), in the form that rotates entry i with entry i + D/2. */
import { add, mul, neg, sub } from './elementwise.ts'
import { concat, split } from './shape.ts'
import { tensor, type Tensor } from './tensor.ts'

/**
 * Rotates each pair of x [..., T, D] by its angle, given as cos and sin [..., T, D/2]; these broadcast and
 * get no gradient. x's gradient is dy rotated back.
 */
export function rotary(x: Tensor, cos: Tensor, sin: Tensor): Tensor {
  const [a, b] = split(x, 2, -1)
  if (!a || !b) throw new Error('rotary: two halves')
  const rotated = concat([sub(mul(a, cos), mul(b, sin)), add(mul(b, cos), mul(a, sin))], -1)
  return tensor({
    op: 'identity',
    inputs: [rotated, x],
    attributes: {},
    shape: x.shape,
    backward: (dy) => [null, rotary(dy, cos, neg(sin))],
  })
}
