import './trainer/engines/no-telemetry.ts'
import * as ort from 'onnxruntime-node'
import { encodeModel } from './trainer/engines/onnx-format.ts'
const N = 12_000_000
const mk = (nodes, inputs, outputs) => ort.InferenceSession.create(encodeModel({ nodes, constants: [{ name: 'one', type: 'float32', shape: [], data: new Uint8Array(Float32Array.of(1).buffer) }], inputs, outputs }), { intraOpNumThreads: 1 })
const val = (name, shape) => ({ name, dtype: 'float32', shape })
const tiny = await mk([{ opType: 'ReduceSum', domain: '', inputs: ['x'], outputs: ['s'], attributes: {} }], [val('x', [N])], [val('s', [1])])
const pass = await mk([{ opType: 'Add', domain: '', inputs: ['z', 'one'], outputs: ['s'], attributes: {} }], [val('x', [N]), val('z', [1])], [val('s', [1])])
const big = await mk([{ opType: 'Add', domain: '', inputs: ['x', 'one'], outputs: ['y'], attributes: {} }], [val('x', [N])], [val('y', [N])])
const x = new ort.Tensor('float32', new Float32Array(N).fill(1), [N]), z = new ort.Tensor('float32', new Float32Array(1), [1]), y = new ort.Tensor('float32', new Float32Array(N), [N])
const time = async (n, f) => { let b = 1e9; for (let i = 0; i < 15; i++) { const c = process.cpuUsage(); await f(); const d = process.cpuUsage(c); b = Math.min(b, (d.user + d.system) / 1000) } console.log(n, b.toFixed(2), 'ms') }
await time('48 MB input that nothing reads', () => pass.run({ x, z }))
await time('sum of 48 MB', () => tiny.run({ x }))
await time('x+1 to a new tensor', () => big.run({ x }))
await time('x+1 to a given tensor', () => big.run({ x }, { y }))
const r = await big.run({ x }, { y }); console.log('same buffer', r.y.data.buffer === y.data.buffer, r.y === y, y.data[0])
await time('js copy 48MB', async () => { y.data.set(x.data) })
