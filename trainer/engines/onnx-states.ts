/** Named state in host memory, each with a spare buffer of its size once something updates it. */
import './no-telemetry.ts'
import * as ort from 'onnxruntime-node'
import { sameShape, sizeOf, type Shape } from '../graph/index.ts'
import type { StateStore } from './engine.ts'

/** State as a run of ONNX Runtime sees it. */
export interface OnnxStates extends StateStore {
  /**
   * Makes a state ready for a run that reads it, writes into it, or replaces it by a new value
   * (and creates it where it doesn't exist). Throws where it is missing or has another shape.
   */
  settle(name: string, shape: Shape, use: 'read' | 'write' | 'replace'): Promise<void>
  /** The tensor that the run reads. */
  current(name: string): ort.Tensor
  /** Where the run writes the state's new value. */
  next(name: string): NextValue
  /** Frees what moves the states; the states themselves are deleted before. */
  close(): Promise<void>
}

export interface NextValue {
  tensor: ort.Tensor
  /** Makes what was written the current value; throws where the state was replaced since. */
  commit(): void
}

interface Held { shape: Shape; current: Float32Array; spare: Float32Array | null }

export function openHostStates(): OnnxStates {
  const held = new Map<string, Held>()
  const find = (name: string): Held => {
    const found = held.get(name)
    if (!found) throw new Error(`no state ${name} has been set`)
    return found
  }
  const hold = (name: string, shape: Shape, data: Float32Array): void => {
    if (data.length !== sizeOf(shape)) throw new Error(`state ${name} [${shape}] was given ${data.length} values`)
    held.set(name, { shape: [...shape], current: data, spare: null })
  }
  return {
    set: (name, shape, data) => hold(name, shape, data.slice()),
    zero(name, shape) {
      const old = held.get(name)
      if (old && sameShape(old.shape, shape)) held.set(name, { shape: old.shape, current: old.current.fill(0), spare: old.spare })
      else hold(name, shape, new Float32Array(sizeOf(shape)))
    },
    get: async name => find(name).current.slice(),
    shape: name => find(name).shape,
    has: name => held.has(name),
    names: (prefix = '') => [...held.keys()].filter(name => name.startsWith(prefix)).sort(),
    copy: (from, to) => hold(to, find(from).shape, find(from).current.slice()),
    delete(name) {
      find(name)
      held.delete(name)
    },
    get bytes() {
      return [...held.values()].reduce((total, { current, spare }) => total + current.byteLength + (spare?.byteLength ?? 0), 0)
    },
    async settle(name, shape, use) {
      if (use === 'replace' && !held.has(name)) hold(name, shape, new Float32Array(sizeOf(shape)))
      checkShape(name, find(name).shape, shape)
    },
    current(name) {
      const { current, shape } = find(name)
      return new ort.Tensor('float32', current, shape)
    },
    next(name) {
      const found = find(name)
      const written = found.spare ?? new Float32Array(found.current.length)
      found.spare = null // until the commit: two runs never write to one buffer
      return {
        tensor: new ort.Tensor('float32', written, found.shape),
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

export function checkShape(name: string, held: Shape, wanted: Shape): void {
  if (!sameShape(held, wanted)) throw new Error(`state ${name} is [${held}], and the graph has it as [${wanted}]`)
}
