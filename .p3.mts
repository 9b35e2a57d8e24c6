import { session, profileTable } from './.bench.mts'
import { readdirSync, rmSync } from 'node:fs'
import { decodeGraph, prefillGraph } from './trainer/models/decoding.ts'
import { gpt2 } from './trainer/models/gpt2.ts'
for (const f of readdirSync('/tmp/eng/prof')) rmSync('/tmp/eng/prof/' + f)
const [vocab, width, heads, B, window] = (process.argv[3] ?? '1280,192,6,128,64').split(',').map(Number)
const model = { architecture: gpt2({ vocabSize: vocab, context: 128, width, layers: 4, heads, inner: 4 * width, epsilon: 1e-5, bosToken: null, eosToken: null, padToken: null }) }
const s = await session(decodeGraph(model, { batch: B, prompt: 16, window }), { intraOpNumThreads: Number(process.argv[2] ?? 1) }, '/tmp/eng/prof/dec')
console.log('nodes', s.nodes); let best = 1e9, wall = 1e9
for (let i = 0; i < 40; i++) { const c = process.cpuUsage(); const { t } = await s.run({ ids: new Int32Array(B).fill(5), positions: new Int32Array(B).fill(i), inverseTemperature: 1 }); const d = process.cpuUsage(c); wall = Math.min(wall, t); best = Math.min(best, (d.user + d.system) / 1000) }
console.log('cpu ms', best, 'wall in session.run', wall); s.s.handler.endProfiling(); await s.s.release()
profileTable('/tmp/eng/prof/' + readdirSync('/tmp/eng/prof')[0], 30)
