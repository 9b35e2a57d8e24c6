import './trainer/engines/no-telemetry.ts'
import * as ort from 'onnxruntime-node'
import { encodeModel } from './trainer/engines/onnx-format.ts'
const threads = Number(process.argv[2] ?? 1)
async function op(nodes, inputs, out) {
  const s = await ort.InferenceSession.create(encodeModel({ nodes, constants: [], inputs: inputs.map(([name, shape]) => ({ name, dtype: 'float32', shape })), outputs: [{ name: 'y', dtype: 'float32', shape: out }] }), { intraOpNumThreads: threads, interOpNumThreads: 1, enableMemPattern: false, extra: { session: process.argv[3] ? { 'intra_op.spin_duration_us': process.argv[3], force_spinning_stop: '1' } : {} } })
  const f = Object.fromEntries(inputs.map(([n, sh]) => [n, new ort.Tensor('float32', Float32Array.from({ length: sh.reduce((a, b) => a * b) }, (_, i) => Math.sin(i) * .1), sh)]))
  const y = new ort.Tensor('float32', new Float32Array(out.reduce((a, b) => a * b)), out)
  return async () => { const c = process.cpuUsage(); await s.run(f, { y }); const d = process.cpuUsage(c); return (d.user + d.system) / 1000 }
}
const n = (opType, inputs, attributes = {}, outputs = ['y'], domain = '') => ({ opType, domain, inputs, outputs, attributes })
const i = v => ({ i: v })
const cases = {}
for (const [M, K, N] of [[2048, 1024, 256], [2048, 256, 1024], [2048, 256, 768], [2048, 768, 256], [1024, 2048, 256], [256, 2048, 1024], [256, 2048, 768], [2048, 256, 2048], [2048, 2048, 256]]) {
  const tag = `${M}x${K}x${N}`, A = ['a', [M, K]], At = ['a', [K, M]], B = ['b', [K, N]], Bt = ['b', [N, K]]
  cases[tag + ' NN'] = [2 * M * K * N, await op([n('MatMul', ['a', 'b'])], [A, B], [M, N])]
  cases[tag + ' NT'] = [2 * M * K * N, await op([n('Gemm', ['a', 'b'], { transB: i(1) })], [A, Bt], [M, N])]
  cases[tag + ' TN'] = [2 * M * K * N, await op([n('Gemm', ['a', 'b'], { transA: i(1) })], [At, B], [M, N])]
  cases[tag + ' yT: TT->yT'] = [2 * M * K * N, await op([n('Gemm', ['b', 'a'], { transA: i(1), transB: i(1) })], [B, A], [N, M])]
  cases[tag + ' yT: NT'] = [2 * M * K * N, await op([n('Gemm', ['b', 'a'], { transB: i(1) })], [Bt, A], [N, M])]
  cases[tag + ' yT: TN'] = [2 * M * K * N, await op([n('Gemm', ['b', 'a'], { transA: i(1) })], [B, At], [N, M])]
}
const best = Object.fromEntries(Object.keys(cases).map(k => [k, 1e9]))
for (let r = 0; r < 12; r++) for (const [k, [, f]] of Object.entries(cases)) best[k] = Math.min(best[k], await f())
for (const [k, [fl]] of Object.entries(cases)) console.log(k.padEnd(30), best[k].toFixed(2), 'ms', (fl / best[k] / 1e6).toFixed(0), 'GF/s')
