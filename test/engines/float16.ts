/** The engines that compute in float16. */
import { test } from 'vitest'
import type { Engine } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { useSoftwareVulkan } from '../helpers/vulkan.ts'

const noWebgpu = useSoftwareVulkan({ float16: true })
if (noWebgpu !== null) test.skip(`float16 on a software WebGPU device: ${noWebgpu}`)

export const openHalf = (): Promise<Engine> => openOnnx({ precision: 'float16' })

export const float16Engines: [name: string, open: () => Promise<Engine>][] = [
  ['onnx cpu', openHalf],
  ...(noWebgpu === null
    ? [
        ['onnx webgpu', () => openOnnx({ device: 'webgpu', precision: 'float16' })] satisfies [
          string,
          () => Promise<Engine>,
        ],
      ]
    : []),
]
