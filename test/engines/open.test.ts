import { expect, test } from 'vitest'
import { openEngine } from '../../lm/engines/open.ts'
import { noWebgpu } from './each.ts'

test.skipIf(noWebgpu !== null)('auto leaves a GPU that is only software alone, and says why', async () => {
  const { engine, why } = await openEngine({ engine: 'onnx', device: 'auto' })
  expect(engine.device).toBe('cpu')
  expect(why).toMatch(/webgpu takes [\d.]+ ms for a product of 256, the CPU [\d.]+ ms/)
  await engine.close()
})

test.skipIf(noWebgpu !== null)('a device that is asked for by name is taken, whatever its speed', async () => {
  const { engine } = await openEngine({ engine: 'onnx', device: 'webgpu' })
  expect(engine.name).toBe('onnxruntime webgpu')
  await engine.close()
})

/** SwiftShader's shaders know no float16. */
const withoutFloat16 = noWebgpu === null && process.env.VK_DRIVER_FILES?.includes('swiftshader') === true
test.skipIf(!withoutFloat16)('a GPU without float16 is not used for it, and the message says what helps', async () => {
  await expect(openEngine({ engine: 'onnx', device: 'webgpu', precision: 'float16' })).rejects.toThrow(
    /does not support float16.*Use float32 \(ATTUNE_PRECISION/,
  )
  const { engine, why } = await openEngine({ engine: 'onnx', device: 'auto', precision: 'float16' })
  expect(engine.name).toBe('onnxruntime cpu float16')
  expect(why).toMatch(/does not support float16.*float16 is slower than float32 on a CPU/)
  await engine.close()
})

test.each([
  ['onnx', 'cuda', /libonnxruntime_providers_cuda\.so.*install\.js.*CUDA 12/],
  ['tfjs', 'cuda', /@tensorflow\/tfjs-node-gpu: not installed/],
  ['tfjs', 'webgpu', /TensorFlow\.js has no such device/],
] as const)('%s without %s says what it lacks', async (engine, device, reason) => {
  await expect(openEngine({ engine, device })).rejects.toThrow(reason)
})

test('tfjs runs on the best of its backends that is installed', async () => {
  const { engine } = await openEngine({ engine: 'tfjs', device: 'auto' })
  expect(engine.name).toMatch(/^tfjs (cpu|tensorflow)$/)
  await engine.close()
})
