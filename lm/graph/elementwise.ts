/** Elementwise operations: each entry is shape inference and gradient, side by side. */
import { broadcastShapes, tensor, type Backward, type DType, type OpName, type Tensor } from './tensor.ts'
import { constant } from './leaves.ts'
import { sumTo } from './shape.ts'

/** A tensor, or a number standing for a float32 scalar. */
export type Operand = Tensor | number

export const neg = (x: Tensor): Tensor => unary('neg', x, (dy) => [neg(dy)])
export const exp = (x: Tensor): Tensor => unary('exp', x, (dy, y) => [mul(dy, y)])
export const log = (x: Tensor): Tensor => unary('log', x, (dy) => [div(dy, x)])
export const sqrt = (x: Tensor): Tensor => unary('sqrt', x, (dy, y) => [div(mul(dy, 0.5), y)])
export const reciprocal = (x: Tensor): Tensor => unary('reciprocal', x, (dy, y) => [neg(mul(dy, mul(y, y)))])
export const abs = (x: Tensor): Tensor => unary('abs', x, (dy) => [where(less(x, 0), neg(dy), dy)])
export const tanh = (x: Tensor): Tensor => unary('tanh', x, (dy, y) => [mul(dy, sub(1, mul(y, y)))])
export const sigmoid = (x: Tensor): Tensor => unary('sigmoid', x, (dy, y) => [mul(dy, mul(y, sub(1, y)))])
export const relu = (x: Tensor): Tensor => unary('relu', x, (dy) => [where(greater(x, 0), dy, 0)])
/** log(1 + eˣ); `softplus(neg(x))` is -log σ(x), the Bradley–Terry loss. */
export const softplus = (x: Tensor): Tensor => unary('softplus', x, (dy) => [mul(dy, sigmoid(x))])
export const sin = (x: Tensor): Tensor => unary('sin', x, (dy) => [mul(dy, cos(x))])
export const cos = (x: Tensor): Tensor => unary('cos', x, (dy) => [neg(mul(dy, sin(x)))])
export const square = (x: Tensor): Tensor => mul(x, x)
/** x·σ(x) (Elfwing et al. 2018). */
export const silu = (x: Tensor): Tensor => mul(x, sigmoid(x))

/** GELU in the tanh form that GPT-2 uses (Hendrycks & Gimpel 2016): x·σ(2u), u = √(2/π)(x + 0.044715x³). */
export const gelu = (x: Tensor): Tensor =>
  unary('gelu', x, (dy, y) => {
    const c = 2 * Math.sqrt(2 / Math.PI)
    const ratio = add(mul(mul(x, x), c * 0.044715), c) // 2u / x
    const s = sigmoid(mul(x, ratio))
    const slope = sub(mul(ratio, 3), 2 * c) // d(2u)/dx
    return [mul(dy, add(s, mul(mul(y, slope), sub(1, s))))]
  })

export const add = (a: Operand, b: Operand): Tensor =>
  binary('add', a, b, (x, y) => (dy) => [sumTo(dy, x.shape), sumTo(dy, y.shape)])
export const sub = (a: Operand, b: Operand): Tensor =>
  binary('sub', a, b, (x, y) => (dy) => [sumTo(dy, x.shape), neg(sumTo(dy, y.shape))])
export const mul = (a: Operand, b: Operand): Tensor =>
  binary('mul', a, b, (x, y) => (dy) => [
    needsGradient(x) ? sumTo(mul(dy, y), x.shape) : null,
    needsGradient(y) ? sumTo(mul(dy, x), y.shape) : null,
  ])
export const div = (a: Operand, b: Operand): Tensor =>
  binary('div', a, b, (x, y) => (dy, q) => [
    needsGradient(x) ? sumTo(div(dy, y), x.shape) : null,
    needsGradient(y) ? neg(sumTo(div(mul(dy, q), y), y.shape)) : null,
  ])
/** Where both are equal the gradient goes to `a`. */
export const minimum = (a: Operand, b: Operand): Tensor =>
  binary('minimum', a, b, (x, y) => (dy) => {
    const second = less(y, x)
    return [sumTo(where(second, 0, dy), x.shape), sumTo(where(second, dy, 0), y.shape)]
  })
/** Where both are equal the gradient goes to `a`. */
export const maximum = (a: Operand, b: Operand): Tensor =>
  binary('maximum', a, b, (x, y) => (dy) => {
    const second = greater(y, x)
    return [sumTo(where(second, 0, dy), x.shape), sumTo(where(second, dy, 0), y.shape)]
  })

/** x held between two constants; the gradient is 1 on and between them, 0 outside. */
export function clip(x: Tensor, min: number, max: number): Tensor {
  if (!(min <= max)) throw new Error(`clip: ${min} is above ${max}`)
  return tensor({
    op: 'clip',
    inputs: [x],
    attributes: { min, max },
    shape: x.shape,
    backward: (dy) => [where(or(less(x, min), greater(x, max)), 0, dy)],
  })
}

export const less = (a: Operand, b: Operand): Tensor => comparison('less', a, b)
export const greater = (a: Operand, b: Operand): Tensor => comparison('greater', a, b)
export const equal = (a: Operand, b: Operand): Tensor => comparison('equal', a, b)
/** Neither infinite nor NaN. */
export const finite = (x: Tensor): Tensor => less(abs(x), Infinity)
export const and = (a: Tensor, b: Tensor): Tensor => logical('and', a, b)
export const or = (a: Tensor, b: Tensor): Tensor => logical('or', a, b)
export function not(a: Tensor): Tensor {
  expectType('not', a, 'bool')
  return tensor({ op: 'not', inputs: [a], attributes: {}, shape: a.shape, dtype: 'bool', backward: null })
}

/** `a` where `condition` holds, else `b`; all three broadcast. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const [x, y] = operands('where', a, b)
  expectType('where', condition, 'bool')
  const shape = broadcastShapes('where', condition.shape, broadcastShapes('where', x.shape, y.shape))
  return tensor({
    op: 'where',
    inputs: [condition, x, y],
    attributes: {},
    shape,
    dtype: x.dtype,
    backward: (dy) => [null, sumTo(where(condition, dy, 0), x.shape), sumTo(where(condition, 0, dy), y.shape)],
  })
}

/**
 * bool → 0/1, int32 ↔ float32 (towards zero): no gradient. float32 ↔ float16 (to the nearest, ties to even; from
 * 65520 on to infinity): the gradient is cast back.
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return x
  const differentiable = [x.dtype, dtype].every((type) => type === 'float32' || type === 'float16')
  return tensor({
    op: 'cast',
    inputs: [x],
    attributes: {},
    shape: x.shape,
    dtype,
    backward: differentiable ? (dy) => [cast(dy, x.dtype)] : null,
  })
}

/** x, through which no gradient flows. */
export const stopGradient = (x: Tensor): Tensor =>
  tensor({ op: 'identity', inputs: [x], attributes: {}, shape: x.shape, dtype: x.dtype, backward: null })

function unary(
  op:
    | 'neg'
    | 'exp'
    | 'log'
    | 'sqrt'
    | 'reciprocal'
    | 'abs'
    | 'tanh'
    | 'sigmoid'
    | 'relu'
    | 'softplus'
    | 'gelu'
    | 'sin'
    | 'cos',
  x: Tensor,
  backward: Backward,
): Tensor {
  expectType(op, x, 'float32')
  return tensor({ op, inputs: [x], attributes: {}, shape: x.shape, backward })
}

function binary(
  op: 'add' | 'sub' | 'mul' | 'div' | 'minimum' | 'maximum',
  a: Operand,
  b: Operand,
  backward: (x: Tensor, y: Tensor) => Backward,
): Tensor {
  const [x, y] = operands(op, a, b)
  const shape = broadcastShapes(op, x.shape, y.shape)
  return tensor({
    op,
    inputs: [x, y],
    attributes: {},
    shape,
    dtype: x.dtype,
    backward: x.dtype === 'float32' ? backward(x, y) : null,
  })
}

function comparison(op: 'less' | 'greater' | 'equal', a: Operand, b: Operand): Tensor {
  const [x, y] = operands(op, a, b)
  return tensor({
    op,
    inputs: [x, y],
    attributes: {},
    shape: broadcastShapes(op, x.shape, y.shape),
    dtype: 'bool',
    backward: null,
  })
}

function logical(op: 'and' | 'or', a: Tensor, b: Tensor): Tensor {
  expectType(op, a, 'bool')
  expectType(op, b, 'bool')
  return tensor({
    op,
    inputs: [a, b],
    attributes: {},
    shape: broadcastShapes(op, a.shape, b.shape),
    dtype: 'bool',
    backward: null,
  })
}

/** Both as tensors of one type; a number takes the other's. */
function operands(op: OpName, a: Operand, b: Operand): [Tensor, Tensor] {
  const dtype = typeof a !== 'number' ? a.dtype : typeof b !== 'number' ? b.dtype : 'float32'
  if (dtype === 'float16') throw new Error(`${op}: cast float16 to float32 first`)
  const x = typeof a === 'number' ? constant(a, [], dtype) : a
  const y = typeof b === 'number' ? constant(b, [], dtype) : b
  if (x.dtype !== y.dtype) throw new Error(`${op}: ${x.dtype} and ${y.dtype} do not mix; cast one of them`)
  return [x, y]
}

function expectType(op: OpName, x: Tensor, dtype: DType): void {
  if (x.dtype !== dtype) throw new Error(`${op}: expected ${dtype}, not ${x.dtype}`)
}

/** A constant needs no gradient, so none is built. */
function needsGradient(x: Tensor): boolean {
  return x.op !== 'constant'
}
