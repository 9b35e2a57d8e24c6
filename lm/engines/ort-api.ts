/**
 * The functions of ONNX Runtime's C API that the engine calls, through koffi. Each is at its index
 * in OrtApi (onnxruntime_c_api.h), a table that is only ever appended to.
 */
import './no-telemetry.ts'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import koffi from 'koffi'

export type Pointer = bigint
/** Null, or what went wrong. */
export type Status = Pointer | null
/** Out parameter: where a function stores what it creates. */
export type At = [Pointer | null]

/** Bytes of memory, in an array. */
type Bytes = NodeJS.TypedArray
type Async<F extends (...args: never[]) => unknown> = F & {
  async(...args: [...Parameters<F>, (error: Error | null, result: ReturnType<F>) => void]): void
}

export interface OrtApi {
  getErrorMessage(status: Pointer): string
  releaseStatus(status: Pointer): void
  createEnv(logLevel: number, id: string, made: At): Status
  disableTelemetryEvents(env: Pointer): Status

  createSessionOptions(made: At): Status
  releaseSessionOptions(options: Pointer): void
  disableMemPattern(options: Pointer): Status
  setIntraOpNumThreads(options: Pointer, threads: number): Status
  addSessionConfigEntry(options: Pointer, key: string, value: string): Status
  appendExecutionProvider(options: Pointer, name: string, keys: string[], values: string[], count: number): Status
  createCudaOptions(made: At): Status
  appendCuda(options: Pointer, cuda: Pointer): Status
  releaseCudaOptions(cuda: Pointer): void

  createSessionFromArray(env: Pointer, model: Bytes, bytes: number, options: Pointer, made: At): Status
  releaseSession(session: Pointer): void
  run: Async<
    (
      session: Pointer,
      options: null,
      inputNames: string[],
      inputs: Pointer[],
      inputCount: number,
      outputNames: string[],
      outputCount: number,
      outputs: Pointer[],
    ) => Status
  >

  createCpuMemoryInfo(allocator: number, type: number, made: At): Status
  createMemoryInfo(name: string, allocator: number, id: number, type: number, made: At): Status
  releaseMemoryInfo(info: Pointer): void
  createArenaCfg(maxBytes: number, strategy: number, firstBytes: number, deadBytes: number, made: At): Status
  releaseArenaCfg(arena: Pointer): void
  createAndRegisterAllocator(env: Pointer, info: Pointer, arena: Pointer): Status
  createAllocator(session: Pointer, info: Pointer, made: At): Status
  releaseAllocator(allocator: Pointer): void
  createTensor(allocator: Pointer, shape: BigInt64Array, rank: number, type: number, made: At): Status
  createTensorWithData(
    info: Pointer,
    data: Bytes,
    bytes: number,
    shape: BigInt64Array,
    rank: number,
    type: number,
    made: At,
  ): Status
  releaseValue(value: Pointer): void
}

/** The API version that has all the indices below: that of the library in package.json. */
const apiVersion = 30
/** koffi calls run on stacks of their own, where a run's kernels keep their panels. */
const stackBytes = 8 << 20

/** The folder of the libraries for this machine, in the npm package. */
export function libraryFolder(): string {
  const bin = join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')), '..', 'bin')
  const [abi = ''] = readdirSync(bin)
  return join(bin, abi, process.platform, process.arch)
}

/** Kept, because garbage-collecting the handle unloads the library. */
const loaded: unknown[] = []

/** Loads the library. */
export function openApi(): OrtApi {
  koffi.config({ ...koffi.config(), sync_stack_size: stackBytes, async_stack_size: stackBytes })
  const name =
    process.platform === 'win32'
      ? 'onnxruntime.dll'
      : process.platform === 'darwin'
        ? 'libonnxruntime.1.dylib'
        : 'libonnxruntime.so.1'
  const library = koffi.load(join(libraryFolder(), name))
  loaded.push(library)
  const base: Pointer = library.func('OrtGetApiBase', 'void *', [])()
  const table: Pointer | null = koffi.decode(
    koffi.decode(base, 'void *'),
    koffi.proto('void *', ['uint32_t']),
  )(apiVersion)
  if (table === null) throw new Error(`${name} is older than version 1.${apiVersion}`)
  const entry = (position: number, result: string, parameters: (string | ReturnType<typeof koffi.out>)[]) =>
    koffi.decode(koffi.decode(table, position * koffi.sizeof('void *'), 'void *'), koffi.proto(result, parameters))
  const [pointer, text, int, size] = ['void *', 'str', 'int', 'size_t']
  const made = koffi.out(koffi.pointer('void *'))
  return {
    getErrorMessage: entry(2, text, [pointer]),
    releaseStatus: entry(93, 'void', [pointer]),
    createEnv: entry(3, pointer, [int, text, made]),
    disableTelemetryEvents: entry(6, pointer, [pointer]),

    createSessionOptions: entry(10, pointer, [made]),
    releaseSessionOptions: entry(100, 'void', [pointer]),
    disableMemPattern: entry(17, pointer, [pointer]),
    setIntraOpNumThreads: entry(24, pointer, [pointer, int]),
    addSessionConfigEntry: entry(130, pointer, [pointer, text, text]),
    appendExecutionProvider: entry(216, pointer, [pointer, text, 'str *', 'str *', size]),
    createCudaOptions: entry(205, pointer, [made]),
    appendCuda: entry(204, pointer, [pointer, pointer]),
    releaseCudaOptions: entry(208, 'void', [pointer]),

    createSessionFromArray: entry(8, pointer, [pointer, pointer, size, pointer, made]),
    releaseSession: entry(95, 'void', [pointer]),
    run: entry(9, pointer, [pointer, pointer, 'str *', 'void **', size, 'str *', size, 'void **']),

    createCpuMemoryInfo: entry(69, pointer, [int, int, made]),
    createMemoryInfo: entry(68, pointer, [text, int, int, int, made]),
    releaseMemoryInfo: entry(94, 'void', [pointer]),
    createArenaCfg: entry(156, pointer, [size, int, int, int, made]),
    releaseArenaCfg: entry(157, 'void', [pointer]),
    createAndRegisterAllocator: entry(144, pointer, [pointer, pointer, pointer]),
    createAllocator: entry(131, pointer, [pointer, pointer, made]),
    releaseAllocator: entry(132, 'void', [pointer]),
    createTensor: entry(48, pointer, [pointer, pointer, size, int, made]),
    createTensorWithData: entry(49, pointer, [pointer, pointer, size, pointer, size, int, made]),
    releaseValue: entry(96, 'void', [pointer]),
  }
}
