import { expect, test } from 'vitest'
import { add, cos, Graph, matmul, scatterAddRows, sin } from '../../lm/graph/index.ts'
import { encodeModel } from '../../lm/engines/onnx-format.ts'
import { lower } from '../../lm/engines/onnx-lowering.ts'
import { hostValue, openSession } from '../../lm/engines/ort.ts'

test('both forms of a large embedding’s gradient add up repeated rows alike', async () => {
  const rows = 600
  const graph = new Graph()
  graph.output('table', scatterAddRows(graph.input('ids', [5], 'int32'), graph.input('values', [5, 2]), rows))
  for (const device of ['cpu', 'webgpu'] as const) {
    const { onnx, inputs, outputs } = lower(graph, device)
    expect(onnx.nodes.some((node) => node.opType === 'ScatterElements')).toBe(device === 'cpu')
    const session = openSession(encodeModel(onnx), { provider: 'cpu', threads: 1, config: {} })
    const table = new Float32Array(2 * rows)
    await session.run(
      {
        [inputs.get('ids') ?? '']: hostValue(Int32Array.of(2, 0, 2, 2, 3), [5]),
        [inputs.get('values') ?? '']: hostValue(Float32Array.of(1, 10, 2, 20, 3, 30, 4, 40, 5, 50), [5, 2]),
      },
      { [outputs.get('table') ?? '']: hostValue(table, [rows, 2]) },
      'this',
    )
    expect([...table.subarray(0, 8)]).toEqual([2, 20, 0, 0, 8, 80, 5, 50])
    expect(table.subarray(8).every((value) => value === 0)).toBe(true)
    session.release()
  }
})

test('sine and cosine on WebGPU are right to 1e-6 at any angle that rotary positions reach', async () => {
  const size = 4_096
  const angles = Float32Array.from({ length: size }, (_, i) => (i - size / 2) * 7.9)
  const graph = new Graph()
  const x = graph.input('x', [size])
  graph.output('sin', sin(x))
  graph.output('cos', cos(x))
  const { onnx, inputs, outputs } = lower(graph, 'webgpu')
  const session = openSession(encodeModel(onnx), { provider: 'cpu', threads: 1, config: {} })
  const [sines, cosines] = [new Float32Array(size), new Float32Array(size)]
  const values = {
    [outputs.get('sin') ?? '']: hostValue(sines, [size]),
    [outputs.get('cos') ?? '']: hostValue(cosines, [size]),
  }
  await session.run({ [inputs.get('x') ?? '']: hostValue(angles, [size]) }, values, 'this')
  angles.forEach((angle, i) => {
    expect(Math.abs((sines[i] ?? NaN) - Math.sin(angle)), `sin ${angle}`).toBeLessThan(1e-6)
    expect(Math.abs((cosines[i] ?? NaN) - Math.cos(angle)), `cos ${angle}`).toBeLessThan(1e-6)
  })
  session.release()
})

test.each(['cpu', 'webgpu'] as const)(
  'on %s a product with a bias is one operation, whichever matrix comes first and however many rows there are',
  async (device) => {
    for (const rows of [1, 3, 4, 64, 65]) {
      const [inner, columns] = [5, 260]
      const feeds: Record<string, [Float32Array, number[]]> = {
        x: [valuesOf(rows * inner), [rows, inner]],
        w: [valuesOf(columns * inner), [columns, inner]],
        b: [valuesOf(columns), [columns]],
      }
      const graph = new Graph()
      const [x, w, b] = Object.entries(feeds).map(([name, [, shape]]) => graph.input(name, shape))
      if (!x || !w || !b) throw new Error('three inputs')
      graph.output('biased', add(matmul(x, w, { transposeB: true, alpha: 0.5 }), b))
      const plain = matmul(x, w, { transposeB: true })
      graph.output('plain', plain)
      graph.output('read twice', add(plain, b))
      const { onnx, inputs, outputs } = lower(graph, device)
      expect(onnx.nodes.filter(({ opType }) => opType === 'Add')).toHaveLength(1)
      expect(onnx.nodes.some(({ opType }) => opType === 'Transpose')).toBe(device === 'cpu' && rows >= 4 && rows <= 64)
      const session = openSession(encodeModel(onnx), { provider: 'cpu', threads: 1, config: {} })
      const results = new Map(
        [...outputs].map(([name, value]) => [value, { name, data: new Float32Array(rows * columns) }]),
      )
      await session.run(
        Object.fromEntries(
          [...inputs].map(([name, value]) => [value, hostValue(...(feeds[name] ?? [new Float32Array(0), []]))]),
        ),
        Object.fromEntries([...results].map(([value, { data }]) => [value, hostValue(data, [rows, columns])])),
        'this',
      )
      const at = (name: string, i: number): number => feeds[name]?.[0][i] ?? NaN
      for (const { name, data } of results.values())
        data.forEach((found, i) => {
          const [row, column] = [Math.floor(i / columns), i % columns]
          let wanted = name === 'plain' ? 0 : at('b', column)
          for (let k = 0; k < inner; k++)
            wanted += (name === 'biased' ? 0.5 : 1) * at('x', row * inner + k) * at('w', column * inner + k)
          expect(Math.abs(found - wanted), `${name}, ${rows} rows, entry ${i}`).toBeLessThan(1e-5)
        })
      session.release()
    }
  },
)

const valuesOf = (size: number): Float32Array => Float32Array.from({ length: size }, (_, i) => Math.sin(7 * i + size))
