/**
 * ONNX Runtime through its C API, called with koffi. The npm package's own binding copies every result
 * into a new array, updated weights and caches too, which doubles the time to sample a token. Here a
 * run reads and writes the buffers that it is given.
 */
import type { Shape, TensorData } from '../graph/index.ts'
import { elementTypes, type ElementType } from './onnx-format.ts'
import { openApi, type At, type Pointer, type Status } from './ort-api.ts'

/** A tensor as ONNX Runtime sees it: an array of ours, or a buffer on a device. */
export interface Value {
  readonly pointer: Pointer
  /** The array; null on a device. The value keeps the array alive. */
  readonly data: TensorData | BigInt64Array | null
  /** Once; the array stays. */
  release(): void
}

export type Values = Readonly<Record<string, Value>>

export interface SessionOptions {
  threads: number
  provider: 'cpu' | 'cuda' | 'webgpu'
  /** Entries of onnxruntime_session_options_config_keys.h. */
  config: Readonly<Record<string, string>>
}

export interface Session {
  /** Runs on this thread, or on another while the event loop continues. Results land in `outputs`. */
  run(inputs: Values, outputs: Values, thread: 'this' | 'another'): Promise<void>
  /** A float32 buffer on the session's device, of undefined content. */
  allocate(shape: Shape): Value
  release(): void
}

/** Values of the C API's enumerations. */
const [deviceAllocator, arenaAllocator, defaultMemory, logErrors] = [0, 1, 0, 3]

/** Of an arena: no limit, regions that double, and ONNX Runtime's own choice of the rest. */
const [unbounded, doubling, usual] = [0, 0, -1]

const api = openApi()
const { env, memory } = openEnvironment()

/** The tensor that an array holds. */
export function hostValue(data: TensorData | BigInt64Array, shape: Shape): Value {
  const pointer = made((at) =>
    api.createTensorWithData(memory, data, data.byteLength, longs(shape), shape.length, elementTypes[typeOf(data)], at),
  )
  return { pointer, data, release: () => api.releaseValue(pointer) }
}

/** Throws ONNX Runtime's message where the model or the provider fails. */
export function openSession(model: Uint8Array, { threads, provider, config }: SessionOptions): Session {
  const options = made((at) => api.createSessionOptions(at))
  // A planned block would be allocated in addition to the arena of the first run: half as much memory again.
  check(api.disableMemPattern(options))
  check(api.setIntraOpNumThreads(options, threads))
  for (const [key, value] of Object.entries(config)) check(api.addSessionConfigEntry(options, key, value))
  if (provider === 'cpu') check(api.addSessionConfigEntry(options, 'session.use_env_allocators', '1'))
  appendProvider(options, provider)
  const session = made((at) => api.createSessionFromArray(env, model, model.byteLength, options, at))
  api.releaseSessionOptions(options)
  const allocator = provider === 'cpu' ? null : openAllocator(session, provider)
  return {
    run(inputs, outputs, thread) {
      const [ins, outs] = [Object.values(inputs), Object.values(outputs)]
      const pointers = (values: Value[]): Pointer[] => values.map(({ pointer }) => pointer)
      const call = [
        session,
        null,
        Object.keys(inputs),
        pointers(ins),
        ins.length,
        Object.keys(outputs),
        outs.length,
        pointers(outs),
      ] as const
      return new Promise((resolve, reject) => {
        const end = (error: Error | null, status: Status): void => {
          try {
            if (error) throw error
            check(status)
            resolve()
          } catch (error) {
            reject(error)
          }
        }
        if (thread === 'another') api.run.async(...call, end)
        else end(null, api.run(...call))
      })
    },
    allocate(shape) {
      if (!allocator) throw new Error('the CPU has no memory of its own to allocate')
      const pointer = made((at) => api.createTensor(allocator, longs(shape), shape.length, elementTypes.float32, at))
      return { pointer, data: null, release: () => api.releaseValue(pointer) }
    },
    release() {
      if (allocator) api.releaseAllocator(allocator)
      api.releaseSession(session)
    },
  }
}

function appendProvider(options: Pointer, provider: SessionOptions['provider']): void {
  if (provider === 'webgpu') check(api.appendExecutionProvider(options, 'WebGPU', [], [], 0))
  if (provider !== 'cuda') return
  const cuda = made((at) => api.createCudaOptions(at))
  check(api.appendCuda(options, cuda))
  api.releaseCudaOptions(cuda)
}

function openAllocator(session: Pointer, provider: 'cuda' | 'webgpu'): Pointer {
  const info = made((at) =>
    api.createMemoryInfo(provider === 'cuda' ? 'Cuda' : 'WebGPU_Buf', deviceAllocator, 0, defaultMemory, at),
  )
  const allocator = made((at) => api.createAllocator(session, info, at))
  api.releaseMemoryInfo(info)
  return allocator
}

function openEnvironment(): { env: Pointer; memory: Pointer } {
  const env = made((at) => api.createEnv(logErrors, 'attune', at))
  check(api.disableTelemetryEvents(env))
  const memory = made((at) => api.createCpuMemoryInfo(arenaAllocator, defaultMemory, at))
  // One arena for all sessions: with one each, every compiled shape keeps what its largest run took, and a trainer of
  // the demo model grew from 1.0 to 1.8 GB within 40 steps. Runs come one after another, so together they need what one
  // does.
  const arena = made((at) => api.createArenaCfg(unbounded, doubling, usual, usual, at))
  check(api.createAndRegisterAllocator(env, memory, arena))
  api.releaseArenaCfg(arena)
  return { env, memory }
}

/** What a function of the C API stores in its last argument, an out parameter. */
function made(make: (at: At) => Status): Pointer {
  const at: At = [null]
  check(make(at))
  if (at[0] === null) throw new Error('onnxruntime returned a null pointer')
  return at[0]
}

function check(status: Status): void {
  if (status === null) return
  const message = api.getErrorMessage(status)
  api.releaseStatus(status)
  throw new Error(`onnxruntime: ${message}`)
}

function longs(shape: Shape): BigInt64Array {
  return BigInt64Array.from(shape, BigInt)
}

function typeOf(data: TensorData | BigInt64Array): ElementType {
  if (data instanceof Float32Array) return 'float32'
  if (data instanceof Int32Array) return 'int32'
  return data instanceof Uint8Array ? 'bool' : 'int64'
}
