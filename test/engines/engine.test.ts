import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  add,
  adamW,
  adamWInputs,
  and,
  cast,
  gather,
  Graph,
  gradients,
  greater,
  matmul,
  mul,
  neg,
  or,
  reduceMean,
  reduceSum,
  sizeOf,
  square,
  sub,
  tokenLogProbs,
  writeRows,
} from '../../lm/graph/index.ts'
import type { Engine } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { openRandom } from '../../lm/sampling/random.ts'
import { engines } from './each.ts'

// One contract, whatever runs the graph.
describe.each(engines)('the %s engine', (_, open) => {
  let engine: Engine
  beforeEach(async () => {
    engine = await open()
  })
  afterEach(() => engine.close())

  test('a state keeps its value between runs and programs, and every read in a run sees the old one', async () => {
    const graph = new Graph()
    const x = graph.state('x', [2])
    graph.update('x', add(x, graph.input('step', [])))
    graph.output('old', mul(x, 1))
    engine.states.set('x', [2], Float32Array.of(1, 2))
    const program = await engine.compile(graph)
    expect([...(await program.run({ step: 10 })).float32('old')]).toEqual([1, 2])
    const other = await engine.compile(graph)
    expect([...(await other.run({ step: 5 })).float32('old')]).toEqual([11, 12])
    expect([...(await engine.states.get('x'))]).toEqual([16, 17])
  })

  test('runs that are asked for together follow one another', async () => {
    const graph = new Graph()
    graph.update('x', add(graph.state('x', []), 1))
    engine.states.zero('x', [])
    const [one, two] = [await engine.compile(graph), await engine.compile(graph)]
    await Promise.all([one.run({}), two.run({}), one.run({})])
    expect([...(await engine.states.get('x'))]).toEqual([3])
  })

  test('two states may exchange their values in one run', async () => {
    const graph = new Graph()
    graph.state('a', [])
    graph.update('a', graph.state('b', []))
    graph.update('b', graph.state('a', []))
    engine.states.set('a', [], Float32Array.of(1))
    engine.states.set('b', [], Float32Array.of(2))
    const program = await engine.compile(graph)
    await program.run({})
    expect([...(await engine.states.get('a')), ...(await engine.states.get('b'))]).toEqual([2, 1])
  })

  test('a renamed view runs the same graph on other states', async () => {
    const graph = new Graph()
    graph.output('twice', mul(graph.state('x', []), 2))
    engine.states.set('policy/x', [], Float32Array.of(3))
    engine.states.copy('policy/x', 'reference/x')
    engine.states.set('policy/x', [], Float32Array.of(4))
    const program = await engine.compile(graph)
    expect((await program.withStates((name) => `policy/${name}`).run({})).scalar('twice')).toBe(8)
    expect((await program.withStates((name) => `reference/${name}`).run({})).scalar('twice')).toBe(6)
  })

  test('what is got or set is a copy', async () => {
    const data = Float32Array.of(1)
    engine.states.set('x', [1], data)
    data[0] = 2
    const got = await engine.states.get('x')
    expect([...got]).toEqual([1])
    got[0] = 3
    expect([...(await engine.states.get('x'))]).toEqual([1])
  })

  test('a copy and its original go their own ways', async () => {
    const graph = new Graph()
    graph.update(
      'cache',
      writeRows(graph.state('cache', [1, 1, 2, 1]), graph.input('rows', [1, 1, 1, 1]), graph.input('at', [1], 'int32')),
    )
    engine.states.set('cache', [1, 1, 2, 1], Float32Array.of(1, 2))
    const program = await engine.compile(graph)
    await program.run({ rows: [3], at: [0] })
    engine.states.copy('cache', 'copy')
    await program.run({ rows: [4], at: [1] })
    await program.withStates(() => 'copy').run({ rows: [5], at: [0] })
    expect([...(await engine.states.get('cache'))]).toEqual([3, 4])
    expect([...(await engine.states.get('copy'))]).toEqual([5, 2])
    engine.states.delete('cache')
    expect([...(await engine.states.get('copy'))]).toEqual([5, 2])
  })

  test('a state of zeros is zeros, whatever it was', async () => {
    const graph = new Graph()
    graph.output('sum', reduceSum(graph.state('x', [3])))
    const program = await engine.compile(graph)
    engine.states.set('x', [3], Float32Array.of(NaN, 1, 2))
    await program.run({})
    engine.states.zero('x', [3])
    expect([...(await engine.states.get('x'))]).toEqual([0, 0, 0])
    expect((await program.run({})).scalar('sum')).toBe(0)
  })

  test('rows are written into a cache where each sequence stands, and the rest of it is kept', async () => {
    const graph = new Graph()
    const cache = writeRows(
      graph.state('cache', [2, 1, 3, 1]),
      graph.input('rows', [2, 1, 1, 1]),
      graph.input('at', [2], 'int32'),
    )
    graph.update('cache', cache)
    graph.output('sum', reduceSum(cache))
    engine.states.zero('cache', [2, 1, 3, 1])
    const program = await engine.compile(graph)
    expect((await program.run({ rows: [1, 2], at: [0, 2] })).scalar('sum')).toBe(3)
    expect((await program.run({ rows: [3, 4], at: [1, 0] })).scalar('sum')).toBe(10)
    expect([...(await engine.states.get('cache'))]).toEqual([1, 3, 0, 4, 0, 2])
  })

  test('a cache that something else reads too is read as it was', async () => {
    const graph = new Graph()
    const cache = graph.state('cache', [1, 1, 2, 1])
    graph.update('cache', writeRows(cache, graph.input('rows', [1, 1, 1, 1]), graph.input('at', [1], 'int32')))
    graph.output('before', reduceSum(cache))
    engine.states.zero('cache', [1, 1, 2, 1])
    const program = await engine.compile(graph)
    expect((await program.run({ rows: [1], at: [0] })).scalar('before')).toBe(0)
    expect((await program.run({ rows: [1], at: [1] })).scalar('before')).toBe(1)
    expect([...(await engine.states.get('cache'))]).toEqual([1, 1])
  })

  test('logic broadcasts the one side and then the other', async () => {
    for (const [a, b] of [
      [
        [3, 1],
        [3, 4],
      ],
      [
        [2, 4],
        [2, 1],
      ],
      [
        [1, 4, 1],
        [1, 4, 4],
      ],
      [
        [3, 1, 4],
        [3, 1, 1],
      ],
    ] as const) {
      const graph = new Graph()
      const [x, y] = [greater(graph.input('x', a), 0), greater(graph.input('y', b), 0)]
      graph.output('and', cast(and(x, y), 'float32'))
      graph.output('or', cast(or(x, y), 'float32'))
      const program = await engine.compile(graph)
      for (const [left, right] of [
        [1, 1],
        [1, -1],
        [-1, 1],
        [-1, -1],
      ] as const) {
        const outputs = await program.run({ x: new Array(sizeOf(a)).fill(left), y: new Array(sizeOf(b)).fill(right) })
        for (const [name, wanted] of [
          ['and', left > 0 && right > 0],
          ['or', left > 0 || right > 0],
        ] as const) {
          expect(new Set(outputs.float32(name)), `${left} ${name} ${right} of [${a}] and [${b}]`).toEqual(
            new Set([wanted ? 1 : 0]),
          )
        }
      }
    }
  })

  test('the same steps from the same state give the same weights bit for bit', async () => {
    const { graph, options, shapes, feeds } = smallTraining()
    const program = await engine.compile(graph)
    const train = async (): Promise<Float32Array[]> => {
      const random = openRandom(3)
      for (const [name, shape] of shapes)
        engine.states.set(
          name,
          shape,
          Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal() * 0.1),
        )
      for (const [name, shape] of shapes)
        for (const moment of ['adam.m/', 'adam.v/']) engine.states.zero(moment + name, shape)
      for (let step = 1; step <= 5; step++) await program.run({ ...feeds, ...adamWInputs(options, step, 1e-2) })
      return Promise.all(engine.states.names().map((name) => engine.states.get(name)))
    }
    expect(await train()).toEqual(await train())
  })

  test('clipping brings the gradients to the given norm and leaves smaller ones alone', async () => {
    const [clipped, free] = await Promise.all(
      [0.5, 50].map(async (maxGradientNorm) => {
        const graph = new Graph()
        const x = graph.state(`x${maxGradientNorm}`, [2])
        const options = { beta1: 0, beta2: 0, epsilon: 1, weightDecay: 0, maxGradientNorm }
        const [gradient] = gradients(reduceSum(mul(square(x), 0.5)), [x])
        if (!gradient) throw new Error('one gradient')
        graph.output('norm', adamW(graph, [{ name: `x${maxGradientNorm}`, gradient }], options))
        engine.states.set(`x${maxGradientNorm}`, [2], Float32Array.of(3, 4))
        for (const moment of ['adam.m/x', 'adam.v/x']) engine.states.zero(moment + maxGradientNorm, [2])
        const outputs = await (await engine.compile(graph)).run(adamWInputs(options, 1, 1))
        expect(outputs.scalar('norm')).toBe(5)
        return engine.states.get(`adam.m/x${maxGradientNorm}`)
      }),
    )
    expect(Math.hypot(...(clipped ?? []))).toBeCloseTo(0.5, 5)
    expect([...(free ?? [])]).toEqual([3, 4])
  })

  test('a state, an input or an output that is not there is refused by name', async () => {
    const graph = new Graph()
    graph.output('y', add(graph.state('x', [2]), graph.input('a', [2])))
    graph.output('n', graph.input('ids', [1], 'int32'))
    const program = await engine.compile(graph)
    const feeds = { a: [1, 2], ids: [1] }
    await expect(program.run(feeds)).rejects.toThrow('no state x has been set')
    engine.states.zero('x', [2])
    await expect(program.run({ ids: [1] })).rejects.toThrow('input a is missing')
    await expect(program.run({ ...feeds, b: 1 })).rejects.toThrow('no input b')
    await expect(program.run({ ...feeds, a: [1] })).rejects.toThrow('input a [2] was fed 1 values')
    await expect(program.run({ ...feeds, ids: Float32Array.of(1) })).rejects.toThrow('input ids is int32')
    const outputs = await program.run(feeds)
    expect(() => outputs.float32('z')).toThrow('no output z')
    expect(() => outputs.float32('n')).toThrow('output n is int32')
    expect(() => outputs.scalar('y')).toThrow('output y [2] is not a scalar')
    expect(() => engine.states.delete('z')).toThrow('no state z')
    expect(() => engine.states.set('x', [3], new Float32Array(2))).toThrow('state x [3] was given 2 values')
  })

  test('an output lands in the array that it is given, which must fit', async () => {
    const graph = new Graph()
    graph.output('y', mul(graph.input('x', [2]), 2))
    const program = await engine.compile(graph)
    const y = new Float32Array(2)
    expect((await program.run({ x: [1, 2] }, { y })).float32('y')).toBe(y)
    expect([...y]).toEqual([2, 4])
    await expect(program.run({ x: [1, 2] }, { y: new Float32Array(3) })).rejects.toThrow(
      'output y is float32 [2], and was given 3 float32 places',
    )
  })

  test('a new state knows nothing of a deleted one', async () => {
    engine.states.set('old', [3], Float32Array.of(NaN, 1, 2))
    engine.states.delete('old')
    engine.states.zero('new', [3])
    expect([...(await engine.states.get('new'))]).toEqual([0, 0, 0])
    engine.states.set('old', [3], Float32Array.of(3, 4, 5))
    expect([...(await engine.states.get('new'))]).toEqual([0, 0, 0])
  })

  test('a closed engine holds nothing', async () => {
    engine.states.zero('x', [4])
    expect(engine.states.bytes).toBe(16)
    await engine.close()
    expect(engine.states.bytes).toBe(0)
    expect(engine.states.names()).toEqual([])
  })
})

test('a long run leaves the event loop to others', async () => {
  const engine = await openOnnx({ threads: 1 })
  const size = 1_024
  const graph = new Graph()
  const x = graph.state('x', [size, size])
  graph.output('sum', reduceSum(matmul(matmul(matmul(matmul(x, x), x), x), x)))
  engine.states.zero('x', [size, size])
  const program = await engine.compile(graph)
  await program.run({}) // from now on it is known to be long
  let [turns, running] = [0, true]
  const run = program.run({}).finally(() => {
    running = false
  })
  for (; running; turns++) await new Promise((resolve) => setImmediate(resolve))
  await run
  expect(turns).toBeGreaterThan(10)
  await engine.close()
})

test('what a run reads stays as it is, though the state is deleted and others are made meanwhile', async () => {
  const engine = await openOnnx({ threads: 1 })
  const size = 1_024
  const graph = new Graph()
  const [x, late] = [graph.state('x', [size, size]), graph.state('late', [size, size])]
  graph.output('sum', reduceSum(mul(late, reduceSum(matmul(matmul(matmul(matmul(x, x), x), x), x)))))
  const fill = (name: string, value: number): void =>
    engine.states.set(name, [size, size], new Float32Array(size * size).fill(value))
  fill('x', 1 / size)
  fill('late', 1)
  const program = await engine.compile(graph)
  const before = (await program.run({})).scalar('sum') // from now on it is known to be long, and computes beside the event loop
  const run = program.run({})
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  engine.states.delete('late')
  fill('other', 7)
  expect((await run).scalar('sum')).toBe(before)
  await engine.close()
})

test('a state that a failed run would have created is not there, and may be set and updated like any other', async () => {
  const engine = await openOnnx()
  const graph = new Graph()
  graph.state('y', [1, 2])
  graph.update('y', gather(graph.input('table', [2, 2]), graph.input('ids', [1], 'int32')))
  const program = await engine.compile(graph)
  const table = [1, 2, 3, 4]
  await expect(program.run({ table, ids: [9] })).rejects.toThrow('onnxruntime')
  expect(engine.states.has('y')).toBe(false)
  engine.states.zero('y', [1, 2])
  for (const row of [0, 1]) {
    await program.run({ table, ids: [row] })
    expect([...(await engine.states.get('y'))]).toEqual(table.slice(2 * row, 2 * row + 2))
  }
  await engine.close()
})

test('a state of another shape than the graph reads is refused by name', async () => {
  const engine = await openOnnx()
  const graph = new Graph()
  graph.output('y', mul(graph.state('x', [2]), 1))
  engine.states.zero('x', [3])
  const program = await engine.compile(graph)
  await expect(program.run({})).rejects.toThrow('state x is [3], and the graph declares it as [2]')
  await engine.close()
})

/** An embedding, a tied head and a regression, with repeated rows so that the order of additions would show. */
function smallTraining() {
  const graph = new Graph()
  const ids = graph.input('ids', [64], 'int32')
  const shapes: [string, number[]][] = [
    ['w', [16, 8]],
    ['u', [8, 8]],
  ]
  const [w, u] = shapes.map(([name, shape]) => graph.state(name, shape))
  if (!w || !u) throw new Error('two weights')
  const hidden = matmul(gather(w, ids), u)
  const loss = sub(reduceMean(square(hidden)), reduceMean(tokenLogProbs(matmul(hidden, w, { transposeB: true }), ids)))
  const options = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, maxGradientNorm: 1 }
  const slopes = gradients(loss, [w, u])
  adamW(
    graph,
    slopes.map((gradient, i) => ({ name: shapes[i]?.[0] ?? '', gradient })),
    options,
  )
  graph.output('loss', neg(neg(loss)))
  return { graph, options, shapes, feeds: { ids: Array.from({ length: 64 }, (_, i) => (i * i) % 16) } }
}
