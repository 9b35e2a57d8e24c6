/** The engines that one contract holds for. */
import { test } from 'vitest'
import type { Engine } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { openTfjs } from '../../lm/engines/tfjs.ts'
import { useSoftwareVulkan } from '../helpers/vulkan.ts'

/** Why WebGPU can't be tested on this machine; null where it can. */
export const noWebgpu = useSoftwareVulkan()
if (noWebgpu !== null) test.skip(`the WebGPU engine on a software device: ${noWebgpu}`)

export const openWebgpu = (): Promise<Engine> => openOnnx({ device: 'webgpu' })

export const engines: [name: string, open: () => Promise<Engine>][] = [
  ['onnx cpu', () => openOnnx()],
  ['tfjs', openTfjs],
  ...(noWebgpu === null ? [['onnx webgpu', openWebgpu] satisfies [string, () => Promise<Engine>]] : []),
]
