// A server with models, a hub to import them from, and what is asked of it.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type ModelConfig, type ModelImport } from '../../core/protocol/index.ts'
import { openHub, type Hub } from '../helpers/hub.ts'
import { admin, ask, call, openWorld, type TestServer, type World } from './attune.ts'

export const fixture = fileURLToPath(new URL('../fixtures/llama-tiny', import.meta.url))
export const weights = 'model.safetensors'
export const commit = 'c0ffee'.padEnd(40, '0')
export const repo = 'maker/Tiny'
export let world: World
export let server: TestServer
export let hub: Hub
export let modelsPath: string
export let checkpointsPath: string
export let downloadsPath: string
export let token: string
export let files: Map<string, Uint8Array<ArrayBuffer>>

/** Opens them: to be called once, before the tests of a file. */
export async function openModels(): Promise<void> {
  modelsPath = await mkdtemp(join(tmpdir(), 'models-'))
  checkpointsPath = await mkdtemp(join(tmpdir(), 'checkpoints-'))
  downloadsPath = await mkdtemp(join(tmpdir(), 'downloads-'))
  hub = await openHub()
  files = new Map(
    await Promise.all(
      ['config.json', weights, 'generation_config.json'].map(
        async (name) => [name, new Uint8Array(await readFile(join(fixture, name)))] as const,
      ),
    ),
  )
  hub.repositories.set(repo, { commit, files: new Map(files) })
  world = await openWorld()
  server = await start()
  token = (await admin(server)).token
}

export async function closeModels(): Promise<void> {
  await world.close()
  await hub.close()
  await rm(modelsPath, { recursive: true })
  await rm(checkpointsPath, { recursive: true })
  await rm(downloadsPath, { recursive: true })
}

export const start = (more: Record<string, string> = {}) =>
  world.server({
    MODELS_PATH: modelsPath,
    CHECKPOINTS_PATH: checkpointsPath,
    DOWNLOADS_PATH: downloadsPath,
    HF_ENDPOINT: hub.url,
    MAX_MODEL_BYTES: '500000',
    ...more,
  })

export const register = (name: string) =>
  ask<ModelConfig & { id: string }>(server, 'POST', '/api/models', {
    token,
    body: { name, type: 'nlp', architecture: 'unknown' },
  })

export const model = (id: string) => call<ModelConfig>(server, 'GET', `/api/models/${id}`, { token })

export const begin = (body: object) =>
  call<ModelImport>(server, 'POST', '/api/imports', { token, body: { repo, ...body } })

export const progress = (id: string) => ask<ModelImport>(server, 'GET', `/api/imports/${id}`, { token })

export const onDisk = async () => (await readdir(modelsPath)).filter((name) => name !== '.incoming')

export async function upload(
  id: string,
  parts: Iterable<[string, Uint8Array<ArrayBuffer>]>,
  { as = token, to = server } = {},
) {
  const form = new FormData()
  for (const [name, bytes] of parts) form.append(name, new Blob([bytes]), name)
  const response = await fetch(`${to.url}/api/weights/models/${id}/upload`, {
    method: 'POST',
    body: form,
    headers: { authorization: `Bearer ${as}` },
  })
  return {
    status: response.status,
    body: (await response.json()) as { data?: ModelConfig; error?: string; message?: string; path?: string },
  }
}

export async function until<T>(look: () => Promise<T>, good: (seen: T) => boolean): Promise<T> {
  for (let seen = await look(); ; seen = await look()) {
    if (good(seen)) return seen
    await sleep(50)
  }
}

export const ended = (id: string) =>
  until(
    () => progress(id),
    ({ status }) => status !== 'running',
  )
