import './trainer/engines/no-telemetry.ts'
import * as ort from 'onnxruntime-node'
import { readFileSync, rmSync } from 'node:fs'
import { lower } from './trainer/engines/onnx-lowering.ts'
import { encodeModel } from './trainer/engines/onnx-format.ts'
import { Graph, adamW, adamWInputs, gradients, sizeOf } from './trainer/graph/index.ts'
import { leavesOf } from './trainer/engines/engine.ts'
export async function session(graph, options = {}, profile) {
  const l = lower(graph, 'cpu')
  const { extra, ...rest } = options
  const s = await ort.InferenceSession.create(encodeModel(l.onnx), { executionProviders: ['cpu'], graphOptimizationLevel: 'all', intraOpNumThreads: 2, interOpNumThreads: 1, executionMode: 'sequential', enableCpuMemArena: true, enableMemPattern: false,
    extra: { session: { 'intra_op.spin_duration_us': '50', force_spinning_stop: '1', ...extra } }, ...(profile ? { enableProfiling: true, profileFilePrefix: profile } : {}), ...rest })
  const inputs = leavesOf(graph, 'input'), states = leavesOf(graph, 'state')
  const held = new Map(), spare = new Map()
  let seed = 1; const rnd = () => { seed = (seed * 1103515245 + 12345) & 0x7fffffff; return seed / 0x7fffffff - 0.5 }
  for (const [n, t] of states) { const d = new Float32Array(sizeOf(t.shape)); if (!n.startsWith('adam') && !n.startsWith('cache')) for (let i = 0; i < d.length; i++) d[i] = t.shape.length === 1 && !n.endsWith('bias') ? 1 : 0.04 * rnd(); held.set(n, d); spare.set(n, new Float32Array(d.length)) }
  return { s, l, nodes: l.onnx.nodes.length, async run(feeds, keep) {
    const bound = {}, fetches = {}
    for (const [n, t] of inputs) { const f = feeds[n]; if (f === undefined) throw new Error('no feed ' + n); const A = t.dtype === 'float32' ? Float32Array : Int32Array; bound[l.inputs.get(n)] = new ort.Tensor(t.dtype, typeof f === 'number' ? A.of(f) : f, t.shape) }
    for (const [n, t] of states) bound[l.states.get(n)] = new ort.Tensor('float32', held.get(n), t.shape)
    for (const v of l.outputs.values()) fetches[v] = null
    for (const [n, v] of l.updates) fetches[v] = new ort.Tensor('float32', n.startsWith('cache') ? held.get(n) : spare.get(n), states.get(n).shape)
    const t0 = performance.now()
    const r = await s.run(bound, fetches)
    const t = performance.now() - t0
    if (keep) for (const n of l.updates.keys()) if (!n.startsWith('cache')) { const a = held.get(n); held.set(n, spare.get(n)); spare.set(n, a) }
    return { t, out: Object.fromEntries([...l.outputs].map(([n, v]) => [n, r[v].data])) }
  } }
}
export function profileTable(file, top = 30) {
  const ev = JSON.parse(readFileSync(file, 'utf8')).filter(e => e.cat === 'Node' && e.name.endsWith('_kernel_time'))
  const nodes = new Map() // the least time of each node over the runs
  for (const e of ev) { const k = e.args.op_name + ' ' + (e.args.input_type_shape ?? []).map(o => '[' + Object.values(o)[0].join(',') + ']').join(' '); const b = nodes.get(e.name); if (!b || e.dur < b.t) nodes.set(e.name, { k, op: e.args.op_name, t: e.dur }) }
  const by = new Map(), ops = new Map(); let total = 0
  for (const { k, op, t } of nodes.values()) { const b = by.get(k) ?? { n: 0, t: 0 }; b.n++; b.t += t; by.set(k, b); total += t; ops.set(op, (ops.get(op) ?? 0) + t) }
  console.log('sum of least times, ms', total / 1000, 'nodes', nodes.size); console.log([...ops].sort((a, b) => b[1] - a[1]).map(([k, t]) => `${k} ${(100 * t / total).toFixed(1)}%`).join(', '))
  for (const [k, { n, t }] of [...by].sort((a, b) => b[1].t - a[1].t).slice(0, top)) console.log((100 * t / total).toFixed(1).padStart(5) + '%', String(n).padStart(5), (t / n / 1000).toFixed(3).padStart(8) + 'ms', k)
}
export async function fitGraph({ vocab = 2048, width = 256, layers = 4, heads = 8, context = 128, B = 16, T = 128 } = {}) {
  const { gpt2 } = await import('./trainer/models/gpt2.ts'); const { languageModelLoss, pretraining } = await import('./trainer/models/fit.ts'); const { tokenInputs, tokenFeeds } = await import('./trainer/models/forward.ts'); const { heldParameters } = await import('./trainer/models/architecture.ts')
  const model = { architecture: gpt2({ vocabSize: vocab, context, width, layers, heads, inner: 4 * width, epsilon: 1e-5, bosToken: null, eosToken: null, padToken: null }) }
  const g = new Graph(); const tokens = tokenInputs(g, B, T); const loss = languageModelLoss(g, model, tokens); const names = [...heldParameters(model)]
  const slopes = gradients(loss, names.map(([n, s]) => g.state(n, s))); g.output('norm', adamW(g, names.map(([name], i) => ({ name, gradient: slopes[i] })), pretraining)); g.output('loss', loss)
  const ids = Int32Array.from({ length: B * T }, (_, i) => (7919 * i) % vocab)
  return { g, feeds: { ...tokenFeeds(ids, new Int32Array(B * T).fill(1), T), ...adamWInputs(pretraining, 1, 1e-3) } }
}
export async function race(variants, rounds = 12) { // variants: {name: () => Promise<ms>}
  const times = Object.fromEntries(Object.keys(variants).map(n => [n, []]))
  for (const f of Object.values(variants)) { await f(); await f() }
  for (let i = 0; i < rounds; i++) for (const [n, f] of Object.entries(variants)) times[n].push(await f())
  const first = Object.keys(variants)[0]; const q = (a, p) => [...a].sort((x, y) => x - y)[Math.floor(p * (a.length - 1))]
  for (const [n, t] of Object.entries(times)) console.log(n.padEnd(28), 'min', q(t, 0).toFixed(1), 'q25', q(t, .25).toFixed(1), 'median', q(t, .5).toFixed(1), 'min ratio', (q(times[first], 0) / q(t, 0)).toFixed(3), 'q25 ratio', (q(times[first], .25) / q(t, .25)).toFixed(3))
}
