/**
 * How an engine holds weights: every projection as [out, in], whichever layout its file has. A product with few rows,
 * as for a single token, then reads the weight in place; in the other layout it would be copied first, at every token.
 */
import { sizeOf, type Shape } from '../graph/index.ts'

/** What says how a model's files have its parameters; an Architecture does. */
interface Layout {
  /** Shapes in the files, by name. */
  readonly parameters: ReadonlyMap<string, Shape>
  storedInOut(name: string): boolean
}

/** The shape of a parameter's state. */
export function heldShape({ parameters, storedInOut }: Layout, name: string): Shape {
  const shape = parameters.get(name)
  if (!shape) throw new Error(`the model has no parameter ${name}`)
  return storedInOut(name) ? shape.toReversed() : shape
}

/** A parameter's values from the file's layout to the engine's; the array itself where both are the same. */
export function toHeld({ parameters, storedInOut }: Layout, name: string, data: Float32Array): Float32Array {
  return storedInOut(name) ? transposed(data, parameters.get(name) ?? []) : data
}

/** The other way. */
export function toStored(architecture: Layout, name: string, data: Float32Array): Float32Array {
  return architecture.storedInOut(name) ? transposed(data, heldShape(architecture, name)) : data
}

/**
 * Side of a tile that is transposed at once: the floats of a cache line. In wider tiles cache lines evict each other,
 * since columns are a power of two apart.
 */
const tile = 16

function transposed(data: Float32Array, [rows = 0, columns = 0]: Shape): Float32Array {
  if (data.length !== sizeOf([rows, columns]))
    throw new Error(`transposed: ${data.length} values are no [${rows}, ${columns}]`)
  const result = new Float32Array(data.length)
  for (let top = 0; top < rows; top += tile) {
    for (let left = 0; left < columns; left += tile) {
      const [bottom, right] = [Math.min(rows, top + tile), Math.min(columns, left + tile)]
      for (let row = top; row < bottom; row++)
        for (let column = left; column < right; column++)
          result[column * rows + row] = data[row * columns + column] ?? 0
    }
  }
  return result
}
