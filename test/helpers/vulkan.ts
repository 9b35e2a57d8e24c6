/**
 * A Vulkan device in software, for what the WebGPU engine must show on machines without a GPU:
 * SwiftShader from Debian's chromium, or Mesa's lavapipe. Whoever runs the tests may name another in VK_DRIVER_FILES.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'

const chromium = '/usr/lib/chromium'
const drivers = '/usr/share/vulkan/icd.d'
const named = process.env.VK_DRIVER_FILES
/** dlopen's flag for a library that stays, though it is no addon. */
const noDelete = 0x1000

/** Makes this process's Vulkan the software one, with `float16` one that computes that; null, or why there is none. */
export function useSoftwareVulkan({ float16 = false } = {}): string | null {
  if (process.platform !== 'linux') return `on ${process.platform} no software Vulkan is looked for`
  const driver = named ?? (float16 ? lavapipe() : (swiftShader() ?? lavapipe()))
  if (!driver)
    return `there is no software Vulkan driver: install ${float16 ? '' : 'chromium or '}mesa-vulkan-drivers, ${leastMesa}`
  process.env.VK_ICD_FILENAMES = driver
  process.env.VK_DRIVER_FILES = driver
  return load(['libvulkan.so.1', join(chromium, 'libvulkan.so.1')])
    ? null
    : 'there is no Vulkan loader: install libvulkan1'
}

/** Its shaders know no float16. */
function swiftShader(): string | null {
  const file = join(chromium, 'vk_swiftshader_icd.json')
  return existsSync(file) ? file : null
}

/** ONNX Runtime's WebGPU takes no lavapipe of Mesa 22, and does take 25's. */
const [leastMesa, leastVulkan] = ['25 or later', [1, 4]] as const

function lavapipe(): string | null {
  const name = existsSync(drivers) ? readdirSync(drivers).find((file) => file.startsWith('lvp_icd')) : undefined
  if (name === undefined) return null
  const { ICD } = z
    .object({ ICD: z.object({ api_version: z.string() }) })
    .parse(JSON.parse(readFileSync(join(drivers, name), 'utf8')))
  const [major = 0, minor = 0] = ICD.api_version.split('.').map(Number)
  return major * 1_000 + minor >= leastVulkan[0] * 1_000 + leastVulkan[1] ? join(drivers, name) : null
}

/** Loads the first library that is there, so that ONNX Runtime finds it by its name wherever it lies. */
function load(libraries: string[]): boolean {
  return libraries.some((library) => {
    try {
      process.dlopen({ exports: {} }, library, constants.dlopen.RTLD_NOW | noDelete)
      return true
    } catch (error) {
      // Loaded, and no addon: what was wanted.
      return error instanceof Error && error.message.includes('did not self-register')
    }
  })
}
