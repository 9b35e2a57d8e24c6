import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Engine } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { Graph, scatterAddRows } from '../../lm/graph/index.ts'
import { openRandom } from '../../lm/sampling/random.ts'

let engine: Engine
beforeAll(async () => {
  engine = await openOnnx({ threads: 2 })
})
afterAll(() => engine.close())

it('sums every row of an embedding’s gradient, at a minibatch’s size and on several threads', async () => {
  const [count, width, rows, seed] = [2048, 160, 1280, 7]
  const random = openRandom(seed)
  // A few tokens stand everywhere, as in language: many sums meet in one row.
  const ids = Int32Array.from({ length: count }, () => Math.floor(rows * random.uniform() ** 4))
  const values = Float32Array.from({ length: count * width }, () => random.normal())
  const expected = new Float64Array(rows * width)
  ids.forEach((id, n) => {
    for (let c = 0; c < width; c++) expected[id * width + c]! += values[n * width + c]!
  })
  const graph = new Graph()
  graph.output('sum', scatterAddRows(graph.input('ids', [count], 'int32'), graph.input('values', [count, width]), rows))
  const program = await engine.compile(graph)
  for (let run = 0; run < 5; run++) {
    const sum = (await program.run({ ids, values })).float32('sum')
    const worst = sum.reduce((most, x, i) => Math.max(most, Math.abs(x - expected[i]!)), 0)
    expect(worst).toBeLessThan(1e-3)
  }
})
