/** Probes whether a WebGPU device supports float16, which only a run can show. */
import { elementTypes, encodeModel, type OnnxGraph } from './onnx-format.ts'
import { hostValue, openSession, type SessionOptions } from './ort.ts'

/** Throws, with advice, where the device's shaders lack float16. */
export async function requireFloat16(options: SessionOptions): Promise<void> {
  const session = openSession(encodeModel(thereAndBack), options)
  const [x, y] = [hostValue(Float32Array.of(1), [1]), hostValue(Float32Array.of(0), [1])]
  try {
    await session.run({ x }, { y }, 'this')
  } catch (cause) {
    throw new Error(
      'onnx: this WebGPU device does not support float16 (the feature shader-f16). Use float32 (ATTUNE_PRECISION, --precision), or a GPU and a driver that support it',
      { cause },
    )
  } finally {
    for (const value of [x, y]) value.release()
    session.release()
  }
}

const castTo = (type: 'float16' | 'float32', input: string, output: string) => ({
  opType: 'Cast',
  domain: '',
  inputs: [input],
  outputs: [output],
  attributes: { to: { i: elementTypes[type] } },
})

const thereAndBack: OnnxGraph = {
  nodes: [castTo('float16', 'x', 'half'), castTo('float32', 'half', 'y')],
  constants: [],
  inputs: [{ name: 'x', dtype: 'float32', shape: [1] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: [1] }],
}
