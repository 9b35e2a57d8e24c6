/**
 * Named state in a device's buffers. A value is uploaded when the first run needs it and stays there; a
 * copy shares its buffer until one of the two is written in place.
 */
import { sizeOf, type Shape } from '../graph/index.ts'
import { encodeModel, type OnnxGraph } from './onnx-format.ts'
import { checkShape, type OnnxStates } from './onnx-states.ts'
import { hostValue, openSession, type Session, type SessionOptions, type Value } from './ort.ts'

/** Values that one or more states share; once there is a buffer the host's array is released. */
interface Content {
  readonly shape: Shape
  holders: number
  /** Neither array nor buffer: zeros, allocated at the first read. */
  host: Float32Array | null
  buffer: Value | null
}

/** A spare buffer is what the next run that updates the state writes into. */
interface Held {
  content: Content
  spare: Value | null
}

/** `options` are those of every session on this device; throws where there is no such device. */
export function openDeviceStates(options: SessionOptions): OnnxStates {
  const transfers = openTransfers(options)
  const held = new Map<string, Held>()
  const find = (name: string): Held => {
    const found = held.get(name)
    if (!found) throw new Error(`no state ${name} has been set`)
    return found
  }
  const drop = (name: string): void => {
    const found = held.get(name)
    if (!found) return
    held.delete(name)
    letGo(found.content)
    found.spare?.release()
  }
  const hold = (name: string, content: Content): void => {
    content.holders++
    drop(name)
    held.set(name, { content, spare: null })
  }
  const bufferOf = async (content: Content): Promise<Value> => {
    if (content.buffer) return content.buffer
    const buffer = transfers.allocate(content.shape)
    if (content.host) await transfers.upload(content.host, content.shape, buffer)
    else await transfers.fillWithZeros(content.shape, buffer)
    content.host = null
    content.buffer = buffer
    return buffer
  }
  return {
    set(name, shape, data) {
      if (data.length !== sizeOf(shape)) throw new Error(`state ${name} [${shape}] was given ${data.length} values`)
      hold(name, { shape: [...shape], holders: 0, host: data.slice(), buffer: null })
    },
    zero: (name, shape) => hold(name, { shape: [...shape], holders: 0, host: null, buffer: null }),
    async get(name) {
      const { content } = find(name)
      if (!content.buffer) return content.host?.slice() ?? new Float32Array(sizeOf(content.shape))
      content.holders++ // whatever happens to the state meanwhile
      try {
        return await transfers.download(content.buffer, content.shape)
      } finally {
        letGo(content)
      }
    },
    shape: (name) => find(name).content.shape,
    has: (name) => held.has(name),
    names: (prefix = '') => [...held.keys()].filter((name) => name.startsWith(prefix)).sort(),
    copy: (from, to) => hold(to, find(from).content),
    delete(name) {
      find(name)
      drop(name)
    },
    get bytes() {
      const all = [...held.values()]
      const contents = new Set(all.map(({ content }) => content)) // several states may share one
      return (
        4 *
        [...contents, ...all.flatMap(({ content, spare }) => (spare ? [content] : []))].reduce(
          (total, { shape }) => total + sizeOf(shape),
          0,
        )
      )
    },
    async settle(name, shape, use) {
      if (use === 'replace' && !held.has(name)) this.zero(name, shape)
      const found = find(name)
      const { content } = found
      checkShape(name, content.shape, shape)
      const buffer = await bufferOf(content)
      if (use === 'replace') found.spare ??= transfers.allocate(shape)
      if (use !== 'write' || content.holders === 1) return
      content.holders--
      found.content = { shape: content.shape, holders: 1, host: null, buffer: transfers.allocate(shape) }
      await transfers.copy(buffer, await bufferOf(found.content))
    },
    current(name) {
      const { buffer } = find(name).content
      if (!buffer) throw new Error(`state ${name} is not on the device`)
      return buffer
    },
    next(name) {
      const found = find(name)
      const { spare: written } = found
      if (!written) throw new Error(`state ${name} has no buffer to go to`)
      found.spare = null // until the commit: two runs never write to one buffer
      return {
        value: written,
        commit() {
          if (held.get(name) !== found) throw new Error(`state ${name} was replaced during a run that updates it`)
          const { content } = found
          found.content = { shape: content.shape, holders: 1, host: null, buffer: written }
          if (content.holders === 1) found.spare = content.buffer
          else letGo(content)
        },
      }
    },
    during: (work) => work(), // a run holds its buffers itself
    close: () => transfers.close(),
  }
}

function letGo(content: Content): void {
  content.holders--
  if (content.holders > 0) return
  content.buffer?.release()
  content.buffer = null
  content.host = null
}

/** What moves values between host and device: graphs of one node each, for any shape. */
function openTransfers(options: SessionOptions) {
  const move = openSession(encodeModel(identity), options)
  const blank = openSession(encodeModel(zeros), options)
  let open: Session[] = [move, blank]
  const copy = (x: Value, y: Value): Promise<void> => move.run({ x }, { y }, 'this')
  return {
    allocate: (shape: Shape): Value => move.allocate(shape),
    copy,
    async upload(data: Float32Array, shape: Shape, to: Value): Promise<void> {
      const from = hostValue(data, shape)
      await copy(from, to)
      from.release()
    },
    async download(from: Value, shape: Shape): Promise<Float32Array> {
      const data = new Float32Array(sizeOf(shape))
      const to = hostValue(data, shape)
      await copy(from, to)
      to.release()
      return data
    },
    async fillWithZeros(shape: Shape, to: Value): Promise<void> {
      const x = hostValue(BigInt64Array.from(shape, BigInt), [shape.length])
      await blank.run({ x }, { y: to }, 'this')
      x.release()
    },
    async close(): Promise<void> {
      for (const session of open) session.release()
      open = []
    },
  }
}

const identity: OnnxGraph = {
  nodes: [{ opType: 'Identity', domain: '', inputs: ['x'], outputs: ['y'], attributes: {} }],
  constants: [],
  inputs: [{ name: 'x', dtype: 'float32', shape: null }],
  outputs: [{ name: 'y', dtype: 'float32', shape: null }],
}

const zeros: OnnxGraph = {
  nodes: [{ opType: 'Expand', domain: '', inputs: ['zero', 'x'], outputs: ['y'], attributes: {} }],
  constants: [{ name: 'zero', type: 'float32', shape: [], data: new Uint8Array(4) }],
  inputs: [{ name: 'x', dtype: 'int64', shape: ['rank'] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: null }],
}
