/**
 * A tensor of the symbolic language: an operation, what it reads, and the
 * shape and type of what it gives. Nothing is computed here; an engine
 * (`lm/engines/`) compiles what a `Graph` collects. Shapes are static.
 */
export type DType = HostType | 'float16'
/** What is fed, held and returned; a float16 value never leaves a run. */
export type HostType = 'float32' | 'int32' | 'bool'
export type Shape = readonly number[]
export type TensorData = Float32Array | Int32Array | Uint8Array

type None = Record<never, never>
interface Reduction {
  readonly axes: readonly number[]
  readonly keepDims: boolean
}

/** Every operation and the static attributes it carries; the engines' tables are exhaustive over it. */
export interface Operations {
  input: { readonly name: string }
  state: { readonly name: string }
  constant: { readonly data: TensorData }
  // elementwise
  neg: None
  exp: None
  log: None
  sqrt: None
  reciprocal: None
  abs: None
  tanh: None
  sigmoid: None
  relu: None
  softplus: None
  gelu: None
  sin: None
  cos: None
  add: None
  sub: None
  mul: None
  div: None
  minimum: None
  maximum: None
  less: None
  greater: None
  equal: None
  and: None
  or: None
  not: None
  where: None
  cast: None
  clip: { readonly min: number; readonly max: number }
  /** Its first input, with a custom gradient for each input. */
  identity: None
  // shape
  reshape: None
  broadcastTo: None
  transpose: { readonly permutation: readonly number[] }
  concat: { readonly axis: number }
  slice: { readonly starts: readonly number[]; readonly ends: readonly number[] }
  pad: { readonly before: readonly number[]; readonly after: readonly number[] }
  // reductions
  reduceSum: Reduction
  reduceMean: Reduction
  reduceMax: Reduction
  argMax: None
  // linear algebra
  matmul: { readonly transposeA: boolean; readonly transposeB: boolean; readonly alpha: number }
  // indexing
  gather: None
  scatterAddRows: { readonly rows: number }
  takeAlong: None
  addAlong: None
  writeRows: None
  // normalisation
  softmax: None
  logSoftmax: None
  layerNorm: { readonly epsilon: number }
  layerNormMoment: { readonly moment: 'mean' | 'inverseDeviation'; readonly epsilon: number }
}

export type OpName = keyof Operations

export interface Tensor<K extends OpName = OpName> {
  readonly op: K
  readonly inputs: readonly Tensor[]
  readonly attributes: Operations[K]
  readonly shape: Shape
  readonly dtype: DType
  /** Gradients for `inputs`, given the gradient of this tensor; null where none flows. */
  readonly backward: Backward | null
}

/** `dy` has the tensor's own shape; `y` is the tensor itself, for gradients that reuse it. */
export type Backward = (dy: Tensor, y: Tensor) => readonly (Tensor | null)[]

export interface TensorSpec<K extends OpName> {
  op: K
  inputs: readonly Tensor[]
  attributes: Operations[K]
  shape: Shape
  dtype?: DType
  backward: Backward | null
}

/** Operations that accept float16: products, and those that reshape their operands. All others need float32. */
const halfReaders = new Set<OpName>(['cast', 'matmul', 'reshape', 'broadcastTo', 'transpose'])

/** The only constructor of tensors. Sizes must be non-negative integers. */
export function tensor<K extends OpName>(spec: TensorSpec<K>): Tensor<K> {
  for (const size of spec.shape) {
    if (!Number.isInteger(size) || size < 0) throw new Error(`${spec.op}: [${spec.shape}] is not a shape`)
  }
  if (!halfReaders.has(spec.op) && spec.inputs.some(({ dtype }) => dtype === 'float16'))
    throw new Error(`${spec.op}: cast float16 to float32 first`)
  return { dtype: 'float32', ...spec }
}

/** The type of a tensor as the host sees it. */
export function hostType({ dtype }: Pick<Tensor, 'dtype'>): HostType {
  if (dtype === 'float16') throw new Error('float16 stays within a run')
  return dtype
}

/** Entries in a tensor of this shape; 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1)
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i])
}

/** The shape both broadcast to by NumPy's rule; throws, naming the operation, where they don't. */
export function broadcastShapes(op: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1
    const y = b[b.length - rank + i] ?? 1
    if (x !== y && x !== 1 && y !== 1) throw new Error(`${op}: [${a}] and [${b}] do not broadcast`)
    return x === 1 ? y : x
  })
}

/** A possibly negative axis as an index into `shape`. */
export function axisOf(op: string, shape: Shape, axis: number): number {
  const index = axis < 0 ? axis + shape.length : axis
  if (!Number.isInteger(axis) || index < 0 || index >= shape.length)
    throw new Error(`${op}: [${shape}] has no axis ${axis}`)
  return index
}

/** `size / parts` where that is a whole number; throws, naming what was divided, where it isn't. */
export function exactDiv(size: number, parts: number, what: string): number {
  const share = size / parts
  if (!Number.isInteger(share)) throw new Error(`${what}: ${size} is not divisible by ${parts}`)
  return share
}
