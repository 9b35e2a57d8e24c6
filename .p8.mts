import { nativeSession, tensor, release, runAsync, runSync } from './.koffi.mts'
import { encodeModel } from './trainer/engines/onnx-format.ts'
import { lower } from './trainer/engines/onnx-lowering.ts'
import { session, race, fitGraph } from './.bench.mts'
import { leavesOf } from './trainer/engines/engine.ts'
import { sizeOf } from './trainer/graph/index.ts'
import { decodeGraph } from './trainer/models/decoding.ts'
import { gpt2 } from './trainer/models/gpt2.ts'
const th = Number(process.argv[2] ?? 1)
function native(g, feeds) {
  const l = lower(g, 'cpu'); const s = nativeSession(encodeModel(l.onnx), th, { 'session.intra_op.spin_duration_us': '50', 'session.force_spinning_stop': '1' })
  const inputs = leavesOf(g, 'input'), states = leavesOf(g, 'state'); const keep = []
  const names = [], vals = [], on = [], ov = []; const bufs = new Map()
  for (const [n, t] of states) { const d = new Float32Array(sizeOf(t.shape)); if (!n.startsWith('adam') && !n.startsWith('cache')) for (let i = 0; i < d.length; i++) d[i] = t.shape.length === 1 && !n.endsWith('bias') ? 1 : 0.04 * Math.sin(i * 1.7); bufs.set(n, d); keep.push(d); names.push(l.states.get(n)); vals.push(tensor(d, t.shape)) }
  for (const [n, v] of l.updates) { const t = states.get(n); const d = n.startsWith('cache') ? bufs.get(n) : new Float32Array(sizeOf(t.shape)); keep.push(d); on.push(v); ov.push(tensor(d, t.shape)) }
  return async (extra, async_ = true) => {
    const fn = [], fv = []
    for (const [n, t] of inputs) { const f = feeds[n]; const A = t.dtype === 'float32' ? Float32Array : Int32Array; const d = typeof f === 'number' ? A.of(f) : f; keep[999] = d; fn.push(l.inputs.get(n)); fv.push(tensor(d, t.shape)) }
    const outs = [...l.outputs].map(([n, v]) => { const t = g.outputs.get(n); const d = new Float32Array(sizeOf(t.shape)); return { v, d, n, t: tensor(d, t.shape) } })
    const args = [s, [...names, ...fn], [...vals, ...fv], [...on, ...outs.map(o => o.v)], [...ov, ...outs.map(o => o.t)]]
    if (async_) await runAsync(...args); else runSync(...args)
    for (const v of [...fv, ...outs.map(o => o.t)]) release(v)
    return Object.fromEntries(outs.map(o => [o.n, o.d]))
  }
}
const cpu = async f => { const c = process.cpuUsage(); await f(); const d = process.cpuUsage(c); return (d.user + d.system) / 1000 }
const [vocab, width, heads, B, window] = [1280, 192, 6, 128, 64]
const model = { architecture: gpt2({ vocabSize: vocab, context: 128, width, layers: 4, heads, inner: 4 * width, epsilon: 1e-5, bosToken: null, eosToken: null, padToken: null }) }
{ const g = decodeGraph(model, { batch: B, prompt: 16, window }); const feeds = { ids: new Int32Array(B).fill(5), positions: new Int32Array(B).fill(9), inverseTemperature: 1 }
  const a = await session(g, { intraOpNumThreads: th }); const b = native(g, feeds)
  console.log('sum', (await b()).probabilities.reduce((x, y) => x + y))
  await race({ node: () => cpu(() => a.run(feeds)), async: () => cpu(() => b()), sync: () => cpu(() => b(0, false)) }, 40) }
{ const { g, feeds } = await fitGraph(); const a = await session(g, { intraOpNumThreads: th }); const b = native(g, feeds)
  console.log((await a.run(feeds)).out.loss[0], (await b()).loss[0])
  await race({ node: () => cpu(() => a.run(feeds)), async: () => cpu(() => b()), sync: () => cpu(() => b(0, false)) }, 10) }
process.exit(0)
