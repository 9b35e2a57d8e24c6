import { openOnnx } from './trainer/engines/onnx.ts'
import { openSampler } from './trainer/models/sampler.ts'
import { gpt2 } from './trainer/models/gpt2.ts'
import { initialModel } from './trainer/models/init.ts'
import { loadWeights } from './trainer/models/directory.ts'
const [vocab, width, heads, B, N] = (process.argv[3] ?? '1280,192,6,128,48').split(',').map(Number)
const a = gpt2({ vocabSize: vocab, context: 128, width, layers: 4, heads, inner: 4 * width, epsilon: 1e-5, bosToken: null, eosToken: null, padToken: null })
const engine = await openOnnx({ threads: Number(process.argv[2] ?? 1) })
loadWeights(engine.states, initialModel(a, 1))
const sampler = openSampler(engine, { architecture: a })
const prompts = Array.from({ length: B }, (_, i) => Array.from({ length: 12 }, (_, t) => (31 * i + 7 * t) % vocab))
let best = 1e9, wall = 1e9
for (let r = 0; r < 8; r++) { const c = process.cpuUsage(), t = performance.now(); await sampler.sample({ prompts, seeds: prompts.map((_, i) => i), maxNewTokens: N, temperature: 1, stopTokens: [] }); const d = process.cpuUsage(c); best = Math.min(best, (d.user + d.system) / 1000); wall = Math.min(wall, performance.now() - t) }
console.log('cpu ms a token step', (best / N).toFixed(2), 'wall', (wall / N).toFixed(2), 'tok/s by cpu', (B * N / best * 1000).toFixed(0))
