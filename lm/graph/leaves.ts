/** The leaves of a graph: inputs fed to every run, state held on the device, constants. */
import { sizeOf, tensor, type HostType, type Shape, type Tensor, type TensorData } from './tensor.ts'

/** A value fed by name to every run. */
export const input = (name: string, shape: Shape, dtype: HostType = 'float32'): Tensor<'input'> =>
  tensor({ op: 'input', inputs: [], attributes: { name }, shape, dtype, backward: null })

/** A float32 value that the engine holds by name between runs: a weight, an optimizer moment, a cache. */
export const state = (name: string, shape: Shape): Tensor<'state'> =>
  tensor({ op: 'state', inputs: [], attributes: { name }, shape, backward: null })

/** A value known when the graph is built; a number fills the shape. */
export function constant(
  value: number | readonly number[] | TensorData,
  shape: Shape = [],
  dtype: HostType = 'float32',
): Tensor<'constant'> {
  const size = sizeOf(shape)
  if (typeof value !== 'number' && value.length !== size)
    throw new Error(`constant: ${value.length} values for shape [${shape}]`)
  const data =
    dtype === 'float32' ? new Float32Array(size) : dtype === 'int32' ? new Int32Array(size) : new Uint8Array(size)
  if (typeof value === 'number') data.fill(value)
  else data.set(value)
  return tensor({ op: 'constant', inputs: [], attributes: { data }, shape, dtype, backward: null })
}

/** 0, 1, … size-1 as int32. */
export const range = (size: number): Tensor<'constant'> =>
  constant(
    Int32Array.from({ length: size }, (_, i) => i),
    [size],
    'int32',
  )
