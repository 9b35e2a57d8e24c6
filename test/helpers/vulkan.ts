/**
 * A Vulkan device in software, for what the WebGPU engine must show on machines without a GPU:
 * SwiftShader from Debian's chromium, or Mesa's lavapipe.
 */
import { existsSync, readdirSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'

const chromium = '/usr/lib/chromium'
const drivers = '/usr/share/vulkan/icd.d'
/** dlopen's flag for a library that stays, though it is no addon. */
const noDelete = 0x1000

/** Makes this process's Vulkan the software one; null, or why there is none. */
export function useSoftwareVulkan(): string | null {
  if (process.platform !== 'linux') return `on ${process.platform} no software Vulkan is looked for`
  const driver = [join(chromium, 'vk_swiftshader_icd.json'), lavapipe()].find((file) => file !== null && existsSync(file))
  if (!driver) return 'there is no software Vulkan driver: install chromium or mesa-vulkan-drivers'
  process.env.VK_ICD_FILENAMES = driver
  process.env.VK_DRIVER_FILES = driver
  return load(['libvulkan.so.1', join(chromium, 'libvulkan.so.1')]) ? null : 'there is no Vulkan loader: install libvulkan1'
}

function lavapipe(): string | null {
  const name = existsSync(drivers) ? readdirSync(drivers).find((file) => file.startsWith('lvp_icd')) : undefined
  return name === undefined ? null : join(drivers, name)
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
