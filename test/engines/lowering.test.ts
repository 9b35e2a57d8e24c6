import { expect, test } from 'vitest'
import { cos, Graph, scatterAddRows, sin } from '../../trainer/graph/index.ts'
import { encodeModel } from '../../trainer/engines/onnx-format.ts'
import { lower } from '../../trainer/engines/onnx-lowering.ts'
import { hostValue, openSession } from '../../trainer/engines/ort.ts'

test('both forms of a large embedding’s gradient add up repeated rows alike', async () => {
  const rows = 600
  const graph = new Graph()
  graph.output('table', scatterAddRows(graph.input('ids', [5], 'int32'), graph.input('values', [5, 2]), rows))
  for (const device of ['cpu', 'webgpu'] as const) {
    const { onnx, inputs, outputs } = lower(graph, device)
    expect(onnx.nodes.some(node => node.opType === 'ScatterElements')).toBe(device === 'cpu')
    const session = openSession(encodeModel(onnx), { provider: 'cpu', threads: 1, config: {} })
    const table = new Float32Array(2 * rows)
    await session.run({
      [inputs.get('ids') ?? '']: hostValue(Int32Array.of(2, 0, 2, 2, 3), [5]),
      [inputs.get('values') ?? '']: hostValue(Float32Array.of(1, 10, 2, 20, 3, 30, 4, 40, 5, 50), [5, 2]),
    }, { [outputs.get('table') ?? '']: hostValue(table, [rows, 2]) }, 'this')
    expect([...table.subarray(0, 8)]).toEqual([2, 20, 0, 0, 8, 80, 5, 50])
    expect(table.subarray(8).every(value => value === 0)).toBe(true)
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
  const values = { [outputs.get('sin') ?? '']: hostValue(sines, [size]), [outputs.get('cos') ?? '']: hostValue(cosines, [size]) }
  await session.run({ [inputs.get('x') ?? '']: hostValue(angles, [size]) }, values, 'this')
  angles.forEach((angle, i) => {
    expect(Math.abs((sines[i] ?? NaN) - Math.sin(angle)), `sin ${angle}`).toBeLessThan(1e-6)
    expect(Math.abs((cosines[i] ?? NaN) - Math.cos(angle)), `cos ${angle}`).toBeLessThan(1e-6)
  })
  session.release()
})
