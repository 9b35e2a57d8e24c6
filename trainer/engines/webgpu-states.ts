/**
 * Named state in WebGPU buffers. A value is uploaded when the first run needs it and stays on the
 * device; a copy shares its buffer until one of the two is written in place.
 */
import './no-telemetry.ts'
import * as ort from 'onnxruntime-node'
import { sizeOf, type Shape } from '../graph/index.ts'
import { encodeModel, type OnnxGraph } from './onnx-format.ts'
import { checkShape, type OnnxStates } from './onnx-states.ts'

/** Values that one or more states hold; once there is a tensor the host's array is let go. */
interface Value {
  readonly size: number
  holders: number
  /** Neither array nor tensor: zeros that no run has read yet. */
  host: Float32Array | null
  tensor: ort.Tensor | null
}

/** A spare buffer is what the next run that updates the state writes into. */
interface Held { readonly shape: Shape; value: Value; spare: ort.Tensor | null }

/** `options` are those of every session on this device. */
export async function openWebgpuStates(options: ort.InferenceSession.SessionOptions): Promise<OnnxStates> {
  const transfers = await openTransfers(options)
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
    letGo(found.value)
    found.spare?.dispose()
  }
  const hold = (name: string, shape: Shape, value: Value): void => {
    value.holders++
    drop(name)
    held.set(name, { shape: [...shape], value, spare: null })
  }
  const upload = async (value: Value): Promise<ort.Tensor> => {
    value.tensor ??= value.host ? await transfers.upload(value.host) : await transfers.zeros(value.size)
    value.host = null
    return value.tensor
  }
  return {
    set(name, shape, data) {
      if (data.length !== sizeOf(shape)) throw new Error(`state ${name} [${shape}] was given ${data.length} values`)
      hold(name, shape, valueOf(data.slice()))
    },
    zero: (name, shape) => hold(name, shape, valueOf(sizeOf(shape))),
    async get(name) {
      const { value } = find(name)
      if (!value.tensor) return value.host?.slice() ?? new Float32Array(value.size)
      value.holders++ // whatever happens to the state meanwhile
      try {
        return await transfers.download(view(value.tensor, [value.size]))
      } finally {
        letGo(value)
      }
    },
    shape: name => find(name).shape,
    has: name => held.has(name),
    names: (prefix = '') => [...held.keys()].filter(name => name.startsWith(prefix)).sort(),
    copy: (from, to) => hold(to, find(from).shape, find(from).value),
    delete(name) {
      find(name)
      drop(name)
    },
    get bytes() {
      const all = [...held.values()]
      const values = new Set(all.map(({ value }) => value)) // several states may share one
      return 4 * [...values, ...all.flatMap(({ value, spare }) => spare ? [value] : [])].reduce((total, { size }) => total + size, 0)
    },
    async settle(name, shape, use) {
      if (use === 'replace' && !held.has(name)) hold(name, shape, valueOf(sizeOf(shape)))
      const found = find(name)
      checkShape(name, found.shape, shape)
      const { value } = found
      const tensor = await upload(value)
      if (use === 'replace') found.spare ??= await transfers.zeros(value.size)
      if (use === 'write' && value.holders > 1) {
        value.holders--
        found.value = { ...valueOf(value.size), holders: 1, tensor: await transfers.clone(view(tensor, [value.size])) }
      }
    },
    current(name) {
      const { shape, value: { tensor } } = find(name)
      if (!tensor) throw new Error(`state ${name} is not on the device`)
      return view(tensor, shape)
    },
    next(name) {
      const found = find(name)
      const { shape, spare: written } = found
      if (!written) throw new Error(`state ${name} has no buffer to go to`)
      found.spare = null // until the commit: two runs never write to one buffer
      return {
        tensor: view(written, shape),
        commit() {
          if (held.get(name) !== found) throw new Error(`state ${name} was replaced during a run that updates it`)
          const old = found.value
          found.value = { ...valueOf(old.size), holders: 1, tensor: written }
          if (old.holders === 1) found.spare = old.tensor
          else letGo(old)
        },
      }
    },
    close: () => transfers.close(),
  }
}

/** Zeros, or what an array of the host's holds, with no holder yet. */
function valueOf(content: Float32Array | number): Value {
  return typeof content === 'number'
    ? { size: content, holders: 0, host: null, tensor: null }
    : { size: content.length, holders: 0, host: content, tensor: null }
}

function letGo(value: Value): void {
  value.holders--
  if (value.holders > 0) return
  value.tensor?.dispose()
  value.tensor = null
  value.host = null
}

/** The buffer of `tensor`, which goes on owning it, in another shape. */
function view({ gpuBuffer }: ort.Tensor, shape: Shape): ort.Tensor {
  return ort.Tensor.fromGpuBuffer(gpuBuffer, { dataType: 'float32', dims: shape })
}

/** What moves values between host and device: graphs of one node each, for any length. */
async function openTransfers(options: ort.InferenceSession.SessionOptions) {
  const open = (graph: OnnxGraph, where: 'cpu' | 'gpu-buffer') =>
    ort.InferenceSession.create(encodeModel(graph), { ...options, preferredOutputLocation: where })
  const onto = await open(identity, 'gpu-buffer').catch((error: unknown) => {
    throw new Error('onnx: this machine gives no WebGPU device. On Linux it takes a Vulkan driver of the GPU and its loader (Debian, Ubuntu: "apt-get install libvulkan1")', { cause: error })
  })
  const off = await open(identity, 'cpu')
  const blank = await open(zeros, 'gpu-buffer')
  const result = ({ y }: ort.InferenceSession.OnnxValueMapType): ort.Tensor => {
    if (!y) throw new Error('a transfer gave nothing')
    return y
  }
  const sessions = [onto, off, blank]
  const clone = async (tensor: ort.Tensor): Promise<ort.Tensor> => result(await onto.run({ x: tensor }))
  return {
    clone,
    upload: (data: Float32Array) => clone(new ort.Tensor('float32', data, [data.length])),
    zeros: async (size: number) => result(await blank.run({ x: new ort.Tensor('int64', BigInt64Array.of(BigInt(size)), [1]) })),
    async download(tensor: ort.Tensor): Promise<Float32Array> {
      const { data } = result(await off.run({ x: tensor }))
      if (data instanceof Float32Array) return data
      throw new Error(`a state came back as ${data.constructor.name}`)
    },
    async close() {
      for (const session of sessions.splice(0)) await session.release()
    },
  }
}

const identity: OnnxGraph = {
  nodes: [{ opType: 'Identity', domain: '', inputs: ['x'], outputs: ['y'], attributes: {} }],
  constants: [], inputs: [{ name: 'x', dtype: 'float32', shape: ['size'] }], outputs: [{ name: 'y', dtype: 'float32', shape: ['size'] }],
}

const zeros: OnnxGraph = {
  nodes: [{ opType: 'Expand', domain: '', inputs: ['zero', 'x'], outputs: ['y'], attributes: {} }],
  constants: [{ name: 'zero', type: 'float32', shape: [1], data: new Uint8Array(4) }],
  inputs: [{ name: 'x', dtype: 'int64', shape: [1] }], outputs: [{ name: 'y', dtype: 'float32', shape: ['size'] }],
}
