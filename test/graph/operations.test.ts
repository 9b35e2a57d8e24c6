import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { Graph, gradients, mul, reduceSum, topological, type Tensor } from '../../lm/graph/index.ts'
import type { Engine, Feeds } from '../../lm/engines/engine.ts'
import { interpreters } from '../../lm/engines/tfjs-ops.ts'
import { engines } from '../engines/each.ts'
import { cases, openDraw, type Case } from './operations.ts'

let onnx: Engine
const opened = new Map<string, Engine>()
const used = new Set<string>()

beforeAll(async () => {
  for (const [name, open] of engines) opened.set(name, await open())
  onnx = engineOf('onnx cpu')
})
afterAll(async () => {
  for (const engine of opened.values()) await engine.close()
})

/** fast-check prints the seed of a failure; runs compile a graph each, so they are few. */
const runs = { numRuns: 6 }
/** A cache serves sampling alone. */
const withoutGradient = 'writeRows'

const others = engines.flatMap(([engine]) =>
  engine === 'onnx cpu' ? [] : Object.entries(cases).map(([name, make]) => ({ engine, name, make })),
)

describe.each(others)('$name on $engine', ({ engine, make }) => {
  test('values and gradients are those of the default engine', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const { graph, feeds } = build(make(openDraw(seed)), openDraw(seed + 1))
        const [wanted, found] = await Promise.all(
          [onnx, engineOf(engine)].map(async (engine) => {
            const program = await engine.compile(graph)
            const outputs = await program.run(feeds)
            await program.dispose()
            return outputs
          }),
        )
        for (const output of graph.outputs.keys()) expectClose(found?.float32(output), wanted?.float32(output), 1e-5)
      }),
      runs,
    )
  })
})

describe.each(Object.entries(cases).filter(([name]) => name !== withoutGradient))('%s', (_, make) => {
  test('the gradient is the one that differences give', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const made = make(openDraw(seed))
        const { graph, feeds, weights } = build(made, openDraw(seed + 1))
        const program = await onnx.compile(graph)
        const outputs = await program.run(feeds)
        for (const [input, { data, dtype }] of Object.entries(made.inputs)) {
          if (dtype !== 'float32') continue
          const numeric = new Float32Array(data.length)
          for (let i = 0; i < data.length; i++) {
            const at = async (step: number) => {
              const moved = Float32Array.from(data)
              moved[i] = (moved[i] ?? 0) + step
              return (await program.run({ ...feeds, [input]: moved })).float32('value')
            }
            const [above, below] = [await at(step), await at(-step)]
            numeric[i] =
              weights.reduce((sum, weight, j) => sum + weight * ((above[j] ?? NaN) - (below[j] ?? NaN)), 0) / (2 * step)
          }
          expectClose(outputs.float32(`gradient of ${input}`), numeric, 4e-3)
        }
        await program.dispose()
      }),
      runs,
    )
  })
})

describe('the language', () => {
  test('every operation has a case above', () => {
    for (const make of Object.values(cases)) {
      const { graph } = build(make(openDraw(1)), openDraw(2))
      for (const { op } of topological([...graph.outputs.values()])) used.add(op)
    }
    expect([...used, 'state'].sort()).toEqual(Object.keys(interpreters).sort())
  })
})

function engineOf(name: string): Engine {
  const engine = opened.get(name)
  if (!engine) throw new Error(`no engine ${name}`)
  return engine
}

const step = 2 ** -7

/** A graph with the case's value and the gradients of its randomly weighted sum. */
function build(
  { inputs, apply }: Case,
  draw: ReturnType<typeof openDraw>,
): { graph: Graph; feeds: Feeds; weights: readonly number[] } {
  const graph = new Graph()
  const leaves = new Map<string, Tensor>(
    Object.entries(inputs).map(([name, { shape, dtype }]) => [name, graph.input(name, shape, dtype)]),
  )
  const value = apply((name) => {
    const leaf = leaves.get(name)
    if (!leaf) throw new Error(`the case has no input ${name}`)
    return leaf
  })
  const weights = draw.normal(value.shape)
  const loss = reduceSum(mul(value, graph.input('weights', value.shape)))
  const floats = [...leaves].filter(([, leaf]) => leaf.dtype === 'float32')
  graph.output('value', value)
  gradients(
    loss,
    floats.map(([, leaf]) => leaf),
  ).forEach((gradient, i) => graph.output(`gradient of ${floats[i]?.[0]}`, gradient))
  // Every input is read by some output, so that every graph can be fed alike.
  graph.output('loss', loss)
  const feeds = Object.fromEntries(Object.entries(inputs).map(([name, { data }]) => [name, data]))
  return { graph, feeds: { ...feeds, weights: weights.data }, weights: [...weights.data] }
}

function expectClose(found: Float32Array | undefined, wanted: Float32Array | undefined, tolerance: number): void {
  expect(found?.length).toBe(wanted?.length)
  const scale = Math.max(1, ...(wanted ?? []).map(Math.abs))
  wanted?.forEach((value, i) => expect(Math.abs(value - (found?.[i] ?? NaN)) / scale).toBeLessThan(tolerance))
}
