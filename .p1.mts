import { session, profileTable, fitGraph } from './.bench.mts'
import { readdirSync, rmSync } from 'node:fs'
for (const f of readdirSync('/tmp/eng/prof')) rmSync('/tmp/eng/prof/' + f)
const { g, feeds } = await fitGraph()
const s = await session(g, { intraOpNumThreads: Number(process.argv[2] ?? 1) }, '/tmp/eng/prof/fit')
console.log('nodes', s.nodes)
for (let i = 0; i < 8; i++) { const { t, out } = await s.run(feeds); console.log(t.toFixed(0), 'ms', (2048 / t * 1000).toFixed(0), 'tok/s', out.loss[0]) }
s.s.endProfiling?.(); try { s.s.handler.endProfiling() } catch (e) { console.log(e) }
await s.s.release()
const f = readdirSync('/tmp/eng/prof')[0]; profileTable('/tmp/eng/prof/' + f, 45)
