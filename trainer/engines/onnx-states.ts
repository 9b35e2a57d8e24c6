/** Named state in host memory, each with a spare buffer of its size once something updates it. */
import { sameShape, sizeOf, type Shape } from '../graph/index.ts'
import type { StateStore } from './engine.ts'
import { hostValue, type Value } from './ort.ts'

/** State as a run of ONNX Runtime sees it. */
export interface OnnxStates extends StateStore {
  /**
   * Makes a state ready for a run that reads it, writes into it, or replaces it by a new value
   * (and creates it where it doesn't exist). Throws where it is missing or has another shape.
   */
  settle(name: string, shape: Shape, use: 'read' | 'write' | 'replace'): Promise<void>
  /** The tensor that the run reads. */
  current(name: string): Value
  /** Where the run writes the state's new value. */
  next(name: string): NextValue
  /** Frees what moves the states; the states themselves are deleted before. */
  close(): Promise<void>
}

export interface NextValue {
  value: Value
  /** Makes what was written the current value; throws where the state was replaced since. */
  commit(): void
}

interface Held { readonly shape: Shape; current: Buffer; spare: Buffer | null }
interface Buffer { readonly data: Float32Array; readonly value: Value }

export function openHostStates(): OnnxStates {
  const held = new Map<string, Held>()
  const find = (name: string): Held => {
    const found = held.get(name)
    if (!found) throw new Error(`no state ${name} has been set`)
    return found
  }
  const drop = (name: string): void => {
    const found = held.get(name)
    held.delete(name)
    found?.current.value.release()
    found?.spare?.value.release()
  }
  const hold = (name: string, shape: Shape, data: Float32Array): void => {
    if (data.length !== sizeOf(shape)) throw new Error(`state ${name} [${shape}] was given ${data.length} values`)
    drop(name)
    held.set(name, { shape: [...shape], current: bufferOf(data, shape), spare: null })
  }
  return {
    set: (name, shape, data) => hold(name, shape, data.slice()),
    zero(name, shape) {
      const old = held.get(name)
      if (old && sameShape(old.shape, shape)) old.current.data.fill(0)
      else hold(name, shape, new Float32Array(sizeOf(shape)))
    },
    get: async name => find(name).current.data.slice(),
    shape: name => find(name).shape,
    has: name => held.has(name),
    names: (prefix = '') => [...held.keys()].filter(name => name.startsWith(prefix)).sort(),
    copy: (from, to) => hold(to, find(from).shape, find(from).current.data.slice()),
    delete(name) {
      find(name)
      drop(name)
    },
    get bytes() {
      return [...held.values()].reduce((total, { current, spare }) => total + current.data.byteLength + (spare?.data.byteLength ?? 0), 0)
    },
    async settle(name, shape, use) {
      if (use === 'replace' && !held.has(name)) hold(name, shape, new Float32Array(sizeOf(shape)))
      const found = find(name)
      checkShape(name, found.shape, shape)
      if (use === 'replace') found.spare ??= bufferOf(new Float32Array(sizeOf(shape)), shape)
    },
    current: name => find(name).current.value,
    next(name) {
      const found = find(name)
      const { spare: written } = found
      if (!written) throw new Error(`state ${name} has no buffer to go to`)
      found.spare = null // until the commit: two runs never write to one buffer
      return {
        value: written.value,
        commit() {
          if (held.get(name) !== found) throw new Error(`state ${name} was replaced during a run that updates it`)
          found.spare = found.current
          found.current = written
        },
      }
    },
    close: async () => {},
  }
}

const bufferOf = (data: Float32Array, shape: Shape): Buffer => ({ data, value: hostValue(data, shape) })

export function checkShape(name: string, held: Shape, wanted: Shape): void {
  if (!sameShape(held, wanted)) throw new Error(`state ${name} is [${held}], and the graph has it as [${wanted}]`)
}
