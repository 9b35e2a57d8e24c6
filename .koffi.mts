import koffi from 'koffi'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
const bin = join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')), '../bin/napi-v6/linux/x64/libonnxruntime.so.1')
const lib = koffi.load(bin)
const base = lib.func('OrtGetApiBase', 'void *', [])()
const GetApi = koffi.decode(koffi.decode(base, 'void *'), koffi.proto('void *GetApi(uint32_t v)'))
const api = GetApi(30) ?? GetApi(24)
const fnp = (i, name, res, args) => koffi.decode(koffi.decode(api, i * 8, 'void *'), koffi.proto(`F_${name}`, res, args))
const S = 'void *' // OrtStatus*
const A = {
  msg: fnp(2, 'GetErrorMessage', 'str', ['void *']),
  CreateEnv: fnp(3, 'CreateEnv', S, ['int', 'str', koffi.out(koffi.pointer('void *'))]),
  Create: fnp(8, 'CreateSessionFromArray', S, ['void *', 'void *', 'size_t', 'void *', koffi.out(koffi.pointer('void *'))]),
  Run: fnp(9, 'Run', S, ['void *', 'void *', 'str *', 'void **', 'size_t', 'str *', 'size_t', koffi.inout('void **')]),
  Opts: fnp(10, 'CreateSessionOptions', S, [koffi.out(koffi.pointer('void *'))]),
  NoPattern: fnp(17, 'DisableMemPattern', S, ['void *']),
  Intra: fnp(24, 'SetIntraOpNumThreads', S, ['void *', 'int']),
  Entry: fnp(130, 'AddSessionConfigEntry', S, ['void *', 'str', 'str']),
  Tensor: fnp(49, 'CreateTensorWithDataAsOrtValue', S, ['void *', 'void *', 'size_t', 'int64_t *', 'size_t', 'int', koffi.out(koffi.pointer('void *'))]),
  Mem: fnp(69, 'CreateCpuMemoryInfo', S, ['int', 'int', koffi.out(koffi.pointer('void *'))]),
  RelValue: fnp(96, 'ReleaseValue', 'void', ['void *']),
}
const ok = st => { if (st) throw new Error(A.msg(st)) }
const out = f => { const o = [null]; ok(f(o)); return o[0] }
const env = out(o => A.CreateEnv(3, 'x', o)), mem = out(o => A.Mem(1, 0, o))
export function nativeSession(bytes, threads, entries) {
  const opt = out(o => A.Opts(o)); ok(A.NoPattern(opt)); ok(A.Intra(opt, threads)); for (const [k, v] of Object.entries(entries)) ok(A.Entry(opt, k, v))
  return out(o => A.Create(env, bytes, bytes.length, opt, o))
}
const types = { Float32Array: 1, Int32Array: 6, Uint8Array: 9 }
export const tensor = (data, shape) => out(o => A.Tensor(mem, data, data.byteLength, BigInt64Array.from(shape, BigInt), shape.length, types[data.constructor.name], o))
export const release = v => A.RelValue(v)
export function runAsync(session, inNames, ins, outNames, outs) {
  return new Promise((res, rej) => A.Run.async(session, null, inNames, ins, ins.length, outNames, outs.length, outs, (e, st) => { if (e) rej(e); else try { ok(st); res() } catch (x) { rej(x) } }))
}
export function runSync(session, inNames, ins, outNames, outs) { ok(A.Run(session, null, inNames, ins, ins.length, outNames, outs.length, outs)) }
