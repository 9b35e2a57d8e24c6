import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * What a process's memory has grown by, bytes, once it has run graphs of so many shapes, each with 64 MiB or somewhat
 * less on its way.
 */
async function growth(shapes: number): Promise<number> {
  const script = `
    import { Graph, exp, mul, reduceSum as sum } from './lm/graph/index.ts'
    import { openOnnx } from './lm/engines/onnx.ts'
    const engine = await openOnnx()
    const before = process.memoryUsage().rss
    for (let n = 0; n < ${shapes}; n++) {
      const rows = 16_384 - 512 * n
      const graph = new Graph()
      const x = graph.input('x', [rows, 1])
      const wide = mul(exp(x), graph.input('ones', [1, 1024]))
      graph.output('total', sum(mul(exp(wide), wide)))
      const program = await engine.compile(graph)
      await program.run({ x: new Float32Array(rows), ones: new Float32Array(1024).fill(1) })
    }
    process.stdout.write(String(process.memoryUsage().rss - before))
    process.exit(0)`
  const { stdout } = await run(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
    cwd: root,
  })
  return Number(stdout)
}

test('compiled graphs that are run one after another share their memory: many shapes need hardly more than the largest', async () => {
  const [one, many] = [await growth(1), await growth(8)]
  expect(one).toBeGreaterThan(100 * 2 ** 20)
  expect(many).toBeLessThan(1.6 * one)
})
