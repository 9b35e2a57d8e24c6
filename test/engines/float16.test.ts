import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine } from '../../lm/engines/engine.ts'
import { openEngine } from '../../lm/engines/open.ts'
import {
  cast,
  Graph,
  gradients,
  lossScaleStates,
  matmul,
  mul,
  reduceSum,
  updateLossScale,
} from '../../lm/graph/index.ts'
import { fromHalf, toHalf } from '../../lm/files/half.ts'
import { openRandom } from '../../lm/sampling/random.ts'
import { float16Engines } from './float16.ts'

/** As IEEE rounds them, computed in plain TypeScript. */
const rounded = (values: Float32Array): Float32Array => fromHalf(toHalf(values))
const same = (found: Float32Array, wanted: Float32Array): void =>
  wanted.forEach((value, i) => expect(Object.is(found[i], value), `${found[i]} in place of ${value}`).toBe(true))

describe.each(float16Engines)('float16 on %s', (_, open) => {
  let engine: Engine
  beforeAll(async () => {
    engine = await open()
  })
  afterAll(() => engine.close())

  test('the engine says what it computes in', () => {
    expect([engine.precision, engine.name]).toEqual(['float16', `onnxruntime ${engine.device} float16`])
  })

  test('a cast rounds to the nearest, ties to even, subnormal and beyond 65504 too', async () => {
    const bits = new Uint32Array(1 << 14)
    const edges = [
      65_504,
      65_519.9,
      65_520,
      -65_520,
      2 ** -24,
      2 ** -25,
      1.001 * 2 ** -25,
      3 * 2 ** -25,
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      1e-8,
      NaN,
      Infinity,
      -Infinity,
      0,
      -0,
    ]
    const graph = new Graph()
    graph.output('y', cast(cast(graph.input('x', [bits.length]), 'float16'), 'float32'))
    const program = await engine.compile(graph)
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const random = openRandom(seed)
        bits.forEach((_, i) => (bits[i] = Math.floor(random.uniform() * 2 ** 32)))
        const x = new Float32Array(bits.buffer).map((value, i) =>
          i % 2 === 0 ? (Number.isNaN(value) ? 1 : value) : Math.fround(2 ** (32 * random.uniform() - 16)),
        )
        x.set(edges)
        same((await program.run({ x })).float32('y'), rounded(x))
      }),
      { numRuns: 4 },
    )
  })

  test('a product is of rounded operands, is rounded, and overflows', async () => {
    const [a, b] = [Float32Array.of(1 + 2 ** -12, 3, 400, 400), Float32Array.of(1, 0, 2 ** -11, 200)]
    const graph = new Graph()
    const product = matmul(graph.input('a', [2, 2]), graph.input('b', [2, 2]))
    graph.output('y', product)
    const y = (await (await engine.compile(graph)).run({ a, b })).float32('y')
    // The first lies between two halves, 400.195 is nearest to 400.25, and 80,000 is too large.
    same(y, rounded(Float32Array.of(1 + 3 * 2 ** -11, 600, 400 + 400 * 2 ** -11, 80_000)))
    expect(y[3]).toBe(Infinity)
  })

  test('a product is as exact as its halves, transposed, batched, with a factor, and of any length', async () => {
    const random = openRandom(5)
    const values = (size: number) => Float32Array.from({ length: size }, () => random.normal())
    for (const [inner, alpha] of [
      [7, 1],
      [600, 0.25],
      [1_100, 3],
    ] as const) {
      for (const [transposeA, transposeB] of [
        [false, false],
        [true, false],
        [false, true],
        [true, true],
      ] as const) {
        for (const batch of [[], [2]]) {
          const graph = new Graph()
          const [m, n, size] = [3, 5, batch[0] ?? 1]
          const sides = [
            graph.input('a', [...batch, ...(transposeA ? [inner, m] : [m, inner])]),
            graph.input('b', [...batch, ...(transposeB ? [n, inner] : [inner, n])]),
          ] as const
          graph.output('y', matmul(...sides, { transposeA, transposeB, alpha }))
          const [a, b] = [values(size * m * inner), values(size * inner * n)]
          const program = await engine.compile(graph)
          const y = (await program.run({ a, b })).float32('y')
          await program.dispose()
          const [halfA, halfB] = [rounded(a), rounded(b)]
          y.forEach((found, at) => {
            const [s, i, j] = [Math.floor(at / (m * n)), Math.floor(at / n) % m, at % n]
            let sum = 0
            for (let k = 0; k < inner; k++) {
              sum +=
                alpha *
                (halfA[s * m * inner + (transposeA ? k * m + i : i * inner + k)] ?? NaN) *
                (halfB[s * inner * n + (transposeB ? j * inner + k : k * n + j)] ?? NaN)
            }
            // Of terms of size 1: in float32 the sum is off by its own last bit, in float16 by half of one of every
            // part.
            expect(
              Math.abs(found - sum) / (alpha * Math.sqrt(inner)),
              `${inner} ${transposeA} ${transposeB}`,
            ).toBeLessThan(engine.device === 'cpu' ? 4e-3 : 2e-2)
          })
        }
      }
    }
  })

  test('a long sum goes on growing where one in float16 would stand still at 2,048', async () => {
    const inner = 4_096
    const graph = new Graph()
    graph.output('y', matmul(graph.input('a', [1, inner]), graph.input('b', [inner, 1])))
    const [a, b] = [new Float32Array(inner).fill(1), new Float32Array(inner).fill(1)]
    expect((await (await engine.compile(graph)).run({ a, b })).scalar('y')).toBe(inner)
  })

  test('the gradient of a cast is the gradient, rounded', async () => {
    const graph = new Graph()
    const [x, weight] = [graph.input('x', [1, 2]), graph.input('weight', [])]
    const product = cast(matmul(cast(x, 'float16'), cast(graph.input('w', [2, 1]), 'float16')), 'float32')
    const [slope] = gradients(mul(reduceSum(product), weight), [x])
    if (!slope) throw new Error('one gradient')
    graph.output('slope', slope)
    const program = await engine.compile(graph)
    const w = Float32Array.of(0.1, 3)
    same((await program.run({ weight: 1, w })).float32('slope'), rounded(w))
    same((await program.run({ weight: 1e-8, w })).float32('slope'), Float32Array.of(0, 0)) // what is too small is lost
  })

  test('who insists on float32 gets it', async () => {
    const graph = new Graph()
    graph.output('y', matmul(graph.input('a', [1, 1]), graph.input('b', [1, 1])))
    const feeds = { a: [1 + 2 ** -12], b: [1] }
    expect((await (await engine.compile(graph, 'float32')).run(feeds)).scalar('y')).toBe(1 + 2 ** -12)
    expect((await (await engine.compile(graph)).run(feeds)).scalar('y')).toBe(1)
  })

  test('the scale doubles after 2,000 good steps, halves after a bad one, and stays between 1 and 2⁶⁴', async () => {
    const graph = new Graph()
    updateLossScale(graph, graph.input('norm', []))
    const program = await engine.compile(graph)
    const [scale = '', goodSteps = ''] = lossScaleStates.keys()
    const after = async (start: [number, number], norm: number): Promise<[number, number]> => {
      engine.states.set(scale, [], Float32Array.of(start[0]))
      engine.states.set(goodSteps, [], Float32Array.of(start[1]))
      await program.run({ norm })
      return [(await engine.states.get(scale))[0] ?? NaN, (await engine.states.get(goodSteps))[0] ?? NaN]
    }
    expect([...lossScaleStates.values()]).toEqual([2 ** 16, 0]) // GradScaler's init_scale
    expect(await after([8, 0], 0)).toEqual([8, 1])
    expect(await after([8, 1_998], 1e30)).toEqual([8, 1_999])
    expect(await after([8, 1_999], 3)).toEqual([16, 0])
    for (const bad of [NaN, Infinity]) expect(await after([8, 1_999], bad)).toEqual([4, 0])
    expect(await after([1, 5], Infinity)).toEqual([1, 0])
    expect(await after([2 ** 64, 1_999], 1)).toEqual([2 ** 64, 0])
  })
})

test('TensorFlow.js refuses float16 and names the choices', async () => {
  await expect(openEngine({ engine: 'tfjs', device: 'cpu', precision: 'float16' })).rejects.toThrow(
    /TensorFlow\.js does not support float16.*float32 \(ATTUNE_PRECISION/,
  )
})

test('a CPU computes float16 if asked to, and says that it is slower', async () => {
  const { engine, why } = await openEngine({ engine: 'onnx', device: 'cpu', precision: 'float16' })
  expect([engine.name, why]).toEqual([
    'onnxruntime cpu float16',
    'as configured; float16 is slower than float32 on a CPU',
  ])
  await engine.close()
})
