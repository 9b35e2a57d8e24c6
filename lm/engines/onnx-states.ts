/** Named state in host memory; a state that is updated has a spare buffer of its size. */
import { sameShape, sizeOf, type Shape } from '../graph/index.ts'
import type { StateStore } from './engine.ts'
import { hostValue, type Value } from './ort.ts'

/** State as a run of ONNX Runtime sees it. */
export interface OnnxStates extends StateStore {
  /**
   * Prepares a state for a run that reads it, writes into it, or replaces it by a new value
   * (and creates it where it doesn't exist). Throws where it is missing or has another shape.
   */
  settle(name: string, shape: Shape, use: 'read' | 'write' | 'replace'): Promise<void>
  /** The tensor that the run reads. */
  current(name: string): Value
  /** Where the run writes the state's new value. */
  next(name: string): NextValue
  /** Until `work` has ended, nothing that it may read is freed or reused. */
  during<T>(work: () => Promise<T>): Promise<T>
  /** Frees what copies the states; the states themselves must have been deleted. */
  close(): Promise<void>
}

export interface NextValue {
  value: Value
  /** Makes what was written the current value; throws where the state was replaced since. */
  commit(): void
}

/** A spare buffer is what the next run that updates the state writes into. */
interface Held {
  readonly shape: Shape
  current: Buffer
  spare: Buffer | null
}
interface Buffer {
  readonly data: Float32Array
  readonly value: Value
}

export function openHostStates(): OnnxStates {
  const held = new Map<string, Held>()
  /** States that a run will create: invisible to others until it commits. */
  const begun = new Map<string, Held>()
  const buffers = openBuffers()
  const find = (name: string): Held => {
    const found = held.get(name)
    if (!found) throw new Error(`no state ${name} has been set`)
    return found
  }
  const discard = (from: Map<string, Held>, name: string): void => {
    const found = from.get(name)
    from.delete(name)
    for (const buffer of [found?.current, found?.spare]) if (buffer) buffers.giveBack(buffer)
  }
  /** A state of undefined content, or with a copy of `data`. */
  const hold = (name: string, shape: Shape, data?: Float32Array): Float32Array => {
    const current = buffers.take(shape)
    if (data) current.data.set(data)
    discard(held, name)
    discard(begun, name)
    held.set(name, { shape: [...shape], current, spare: null })
    return current.data
  }
  return {
    set(name, shape, data) {
      if (data.length !== sizeOf(shape)) throw new Error(`state ${name} [${shape}] was given ${data.length} values`)
      hold(name, shape, data)
    },
    zero(name, shape) {
      const old = held.get(name)
      const array = old && sameShape(old.shape, shape) ? old.current.data : hold(name, shape)
      array.fill(0)
    },
    get: async (name) => find(name).current.data.slice(),
    shape: (name) => find(name).shape,
    has: (name) => held.has(name),
    names: (prefix = '') => [...held.keys()].filter((name) => name.startsWith(prefix)).sort(),
    copy: (from, to) => void hold(to, find(from).shape, find(from).current.data),
    delete(name) {
      find(name)
      discard(held, name)
    },
    get bytes() {
      return [...held.values()].reduce(
        (total, { current, spare }) => total + current.data.byteLength + (spare?.data.byteLength ?? 0),
        0,
      )
    },
    async settle(name, shape, use) {
      if (use === 'replace' && !held.has(name)) {
        discard(begun, name)
        begun.set(name, { shape: [...shape], current: buffers.take(shape), spare: null })
        return
      }
      const found = find(name)
      checkShape(name, found.shape, shape)
      if (use === 'replace') found.spare ??= buffers.take(shape)
    },
    current: (name) => find(name).current.value,
    next(name) {
      const first = begun.get(name)
      if (first) {
        return {
          value: first.current.value,
          commit() {
            if (begun.get(name) !== first) throw new Error(`state ${name} was set during a run that creates it`)
            begun.delete(name)
            held.set(name, first)
          },
        }
      }
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
    during: buffers.during,
    close: async () => {},
  }
}

/** Memory of deleted states that is kept for reuse, bytes. */
const maxKeptBytes = 256 * 2 ** 20

/**
 * A pool of buffers: fresh memory costs a page fault every 4 KiB, which for a batch's caches is more than
 * filling them with zeros. Their content is undefined.
 */
function openBuffers() {
  const kept = new Map<number, Float32Array[]>() // by length
  let keptBytes = 0
  let readers = 0
  let waiting: Buffer[] = []
  const free = ({ data, value }: Buffer): void => {
    value.release()
    if (keptBytes + data.byteLength > maxKeptBytes) return
    keptBytes += data.byteLength
    const alike = kept.get(data.length)
    if (alike) alike.push(data)
    else kept.set(data.length, [data])
  }
  return {
    take(shape: Shape): Buffer {
      const length = sizeOf(shape)
      const found = kept.get(length)?.pop()
      keptBytes -= found?.byteLength ?? 0
      const data = found ?? new Float32Array(length)
      return { data, value: hostValue(data, shape) }
    },
    /** Frees it once no run can be reading it. */
    giveBack(buffer: Buffer): void {
      if (readers > 0) waiting.push(buffer)
      else free(buffer)
    },
    async during<T>(work: () => Promise<T>): Promise<T> {
      readers++
      try {
        return await work()
      } finally {
        readers--
        if (readers === 0) {
          waiting.forEach(free)
          waiting = []
        }
      }
    },
  }
}

export function checkShape(name: string, held: Shape, wanted: Shape): void {
  if (!sameShape(held, wanted)) throw new Error(`state ${name} is [${held}], and the graph declares it as [${wanted}]`)
}
