import { session, race } from './.bench.mts'
import { decodeGraph } from './trainer/models/decoding.ts'
import { gpt2 } from './trainer/models/gpt2.ts'
const [vocab, width, heads, B, window] = (process.argv[3] ?? '1280,192,6,128,64').split(',').map(Number)
const model = { architecture: gpt2({ vocabSize: vocab, context: 128, width, layers: 4, heads, inner: 4 * width, epsilon: 1e-5, bosToken: null, eosToken: null, padToken: null }) }
const g = decodeGraph(model, { batch: B, prompt: 16, window }); const g2 = decodeGraph(model, { batch: B, prompt: 16, window }); g2.outputs.clear(); const { reduceSum } = await import('./trainer/graph/index.ts'); g2.outputs.set('p', reduceSum(g.outputs.get('probabilities')))
const th = Number(process.argv[2] ?? 1)
const feeds = i => ({ ids: new Int32Array(B).fill(5), positions: new Int32Array(B).fill(i), inverseTemperature: 1 })
const cpu = async f => { const c = process.cpuUsage(); await f(); const d = process.cpuUsage(c); return (d.user + d.system) / 1000 }
const v = {}
for (const [n, o] of Object.entries({ now: {}, nospinlimit: { extra: { 'intra_op.spin_duration_us': '1000', force_spinning_stop: '0' } }, memPattern: { enableMemPattern: true }, noArena: { enableCpuMemArena: false } })) { const s = await session(g, { intraOpNumThreads: th, ...o }); let i = 0; v[n] = () => cpu(() => s.run(feeds(i++ % window))) }
await race(v, 40)
