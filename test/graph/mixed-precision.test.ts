import { describe, expect, test } from 'vitest'
import {
  add,
  cast,
  exp,
  Graph,
  gradients,
  layerNorm,
  linear,
  matmul,
  mixedPrecision,
  mul,
  reduceSum,
  reshape,
  softmax,
  square,
  transpose,
  type OpName,
  type Tensor,
} from '../../lm/graph/index.ts'

const opsOf = (graph: Graph): Record<string, number> => {
  const count: Record<string, number> = {}
  for (const { op } of graph.nodes()) count[op] = (count[op] ?? 0) + 1
  return count
}
const casts = (graph: Graph, dtype: 'float16' | 'float32'): Tensor[] =>
  graph.nodes().filter((node) => node.op === 'cast' && node.dtype === dtype)

/** Two layers with a norm and a softmax between, and what trains them. */
function training(): Graph {
  const graph = new Graph()
  const x = graph.input('x', [4, 8])
  const [w, u, gain, bias] = [
    graph.state('w', [8, 8]),
    graph.state('u', [8, 3]),
    graph.state('gain', [8]),
    graph.state('bias', [8]),
  ]
  const loss = reduceSum(square(softmax(linear(layerNorm(linear(x, w), gain, bias, 1e-5), u))))
  graph.output('loss', loss)
  gradients(loss, [w, u]).forEach((slope, i) => graph.update(i ? 'u' : 'w', add(i ? u : w, slope)))
  return graph
}

describe('mixed precision', () => {
  test('computes products in float16 and leaves every other operation as it was, in float32', () => {
    const [before, after] = [training(), mixedPrecision(training())]
    const { cast: added = 0, ...others } = opsOf(after)
    expect(others).toEqual(opsOf(before))
    expect(others.matmul).toBeGreaterThan(3)
    expect(added).toBe(casts(after, 'float16').length + casts(after, 'float32').length)
    for (const node of after.nodes()) {
      expect(node.dtype === 'float16', node.op).toBe(node.op === 'matmul' || casts(after, 'float16').includes(node))
      if (node.op === 'matmul')
        expect(node.inputs.map(({ op, dtype }) => [op, dtype])).toEqual([
          ['cast', 'float16'],
          ['cast', 'float16'],
        ])
    }
    expect(casts(after, 'float32').length).toBe(others.matmul)
    expect([...after.outputs.keys(), ...after.updates.keys()]).toEqual([
      ...before.outputs.keys(),
      ...before.updates.keys(),
    ])
  })

  test('rounds a weight once, though forward and backward passes read it', () => {
    const graph = mixedPrecision(training())
    const readers = (name: string) =>
      graph
        .nodes()
        .filter(
          ({ op, inputs: [x] }) =>
            op === 'cast' && x?.op === 'state' && 'name' in x.attributes && x.attributes.name === name,
        )
    expect(readers('u')).toHaveLength(1)
    const [half] = readers('u')
    expect(graph.nodes().filter(({ inputs }) => half !== undefined && inputs.includes(half))).toHaveLength(2)
    const operands = casts(graph, 'float16').map(({ inputs: [x] }) => x)
    expect(new Set(operands).size).toBe(operands.length)
  })

  test.each([
    [0.125, 'before the product, on the smaller operand', ['mul', 'cast', 'cast', 'matmul', 'cast']],
    [8, 'after it, in float32', ['cast', 'cast', 'matmul', 'cast', 'mul']],
    [1, 'nowhere', ['cast', 'cast', 'matmul', 'cast']],
  ] as const)('a factor of %f stands %s: it makes no product too large', (alpha, _, wanted) => {
    const graph = new Graph()
    graph.output('y', matmul(graph.input('a', [9, 4]), graph.input('b', [4, 2]), { alpha }))
    const nodes = mixedPrecision(graph)
      .nodes()
      .filter(({ op }) => op !== 'input' && op !== 'constant')
    expect(nodes.map(({ op }): OpName => op).sort()).toEqual([...wanted].sort())
    const factor = nodes.find(({ op }) => op === 'mul')
    expect(factor?.shape).toEqual(alpha === 1 ? undefined : alpha < 1 ? [4, 2] : [9, 2])
    expect(
      nodes.every((node) => node.op !== 'matmul' || ('alpha' in node.attributes && node.attributes.alpha === 1)),
    ).toBe(true)
  })

  test('leaves the graph that it is given as it was', () => {
    const graph = training()
    const nodes = graph.nodes()
    mixedPrecision(graph)
    expect(graph.nodes()).toEqual(nodes)
    expect(graph.nodes().every(({ dtype }) => dtype !== 'float16')).toBe(true)
  })
})

describe('float16 in the language', () => {
  const half = cast(new Graph().input('x', [2, 2]), 'float16')

  test('is for products and what brings their operands into place; the rest is to be cast first', () => {
    expect(matmul(half, half).dtype).toBe('float16')
    expect([reshape(half, [4]), transpose(half, [1, 0])].map(({ dtype }) => dtype)).toEqual(['float16', 'float16'])
    for (const refused of [
      () => exp(half),
      () => add(half, half),
      () => mul(half, 2),
      () => reduceSum(half),
      () => softmax(half),
    ])
      expect(refused).toThrow(/cast float16 to float32 first|expected float32/)
    expect(() => matmul(half, cast(half, 'float32'))).toThrow('float16 and float32 do not mix')
  })

  test('never leaves a run', () => {
    const graph = new Graph()
    graph.state('w', [2, 2])
    expect(() => graph.output('y', half)).toThrow('output y is float16')
    expect(() => graph.update('w', half)).toThrow('state w is float32, not float16')
  })

  test('a cast’s gradient is cast back', () => {
    const x = new Graph().input('x', [2, 2])
    const [slope] = gradients(reduceSum(cast(matmul(cast(x, 'float16'), half), 'float32')), [x])
    expect(slope?.dtype).toBe('float32')
    expect([slope?.op, slope?.inputs[0]?.op, slope?.inputs[0]?.dtype]).toEqual(['cast', 'matmul', 'float16'])
  })
})
