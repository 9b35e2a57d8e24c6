/** Named state in host memory, each with a spare buffer of its size once something updates it. */
import './no-telemetry.ts'
import * as ort from 'onnxruntime-node'
import { sameShape, sizeOf, type Shape } from '../graph/index.ts'
import type { StateStore } from './engine.ts'

export interface HostStates extends StateStore {
  /** The tensor that a run reads; throws where the state is missing or has another shape. */
  current(name: string, shape: Shape): ort.Tensor
  /** Where a run writes the state's next value; the state is created where it doesn't exist. */
  next(name: string, shape: Shape): NextValue
}

export interface NextValue {
  tensor: ort.Tensor
  /** Makes what was written the current value; throws where the state was replaced since. */
  commit(): void
}

interface Held { shape: Shape; current: Float32Array; spare: Float32Array | null }

export function openHostStates(): HostStates {
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
    current(name, shape) {
      const found = find(name)
      checkShape(name, found.shape, shape)
      return new ort.Tensor('float32', found.current, found.shape)
    },
    next(name, shape) {
      if (!held.has(name)) hold(name, shape, new Float32Array(sizeOf(shape)))
      const found = find(name)
      checkShape(name, found.shape, shape)
      const written = found.spare ?? new Float32Array(found.current.length)
      found.spare = null // until the commit: two runs never write to one buffer
      return {
        tensor: new ort.Tensor('float32', written, shape),
        commit() {
          if (held.get(name) !== found) throw new Error(`state ${name} was replaced during a run that updates it`)
          found.spare = found.current
          found.current = written
        },
      }
    },
  }
}

function checkShape(name: string, held: Shape, wanted: Shape): void {
  if (!sameShape(held, wanted)) throw new Error(`state ${name} is [${held}], and the graph has it as [${wanted}]`)
}
