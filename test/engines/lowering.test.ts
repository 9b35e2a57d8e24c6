import { expect, test } from 'vitest'
import '../../trainer/engines/no-telemetry.ts'
import * as ort from 'onnxruntime-node'
import { Graph, scatterAddRows } from '../../trainer/graph/index.ts'
import { encodeModel } from '../../trainer/engines/onnx-format.ts'
import { lower } from '../../trainer/engines/onnx-lowering.ts'

test('both forms of the embedding gradient add up repeated rows alike', async () => {
  const graph = new Graph()
  graph.output('table', scatterAddRows(graph.input('ids', [5], 'int32'), graph.input('values', [5, 2]), 4))
  for (const device of ['cpu', 'webgpu'] as const) {
    const { onnx, inputs, outputs } = lower(graph, device)
    expect(onnx.nodes.some(node => node.opType === 'ScatterElements')).toBe(device === 'cpu')
    const session = await ort.InferenceSession.create(encodeModel(onnx))
    const results = await session.run({
      [inputs.get('ids') ?? '']: new ort.Tensor('int32', Int32Array.of(2, 0, 2, 2, 3), [5]),
      [inputs.get('values') ?? '']: new ort.Tensor('float32', Float32Array.of(1, 10, 2, 20, 3, 30, 4, 40, 5, 50), [5, 2]),
    })
    expect([...results[outputs.get('table') ?? '']?.data ?? []]).toEqual([2, 20, 0, 0, 8, 80, 5, 50])
    await session.release()
  }
})
