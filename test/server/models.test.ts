import { afterAll, beforeAll, expect, test } from 'vitest'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ModelConfig, ModelImport } from '../../server/protocol.ts'
import { openHub, type Hub } from '../helpers/hub.ts'
import { admin, ask, call, guest, openWorld, type TestServer, type World } from './attune.ts'

const fixture = fileURLToPath(new URL('../fixtures/llama-tiny', import.meta.url))
const weights = 'model.safetensors'
const commit = 'c0ffee'.padEnd(40, '0')
const repo = 'maker/Tiny'
let world: World
let server: TestServer
let hub: Hub
let modelsPath: string
let token: string
let files: Map<string, Uint8Array<ArrayBuffer>>

beforeAll(async () => {
  modelsPath = await mkdtemp(join(tmpdir(), 'models-'))
  hub = await openHub()
  files = new Map(await Promise.all(['config.json', weights, 'generation_config.json'].map(async (name) => [name, new Uint8Array(await readFile(join(fixture, name)))] as const)))
  hub.repositories.set(repo, { commit, files: new Map(files) })
  world = await openWorld()
  server = await start()
  token = (await admin(server)).token
})
afterAll(async () => {
  await world.close()
  await hub.close()
  await rm(modelsPath, { recursive: true })
})

const start = (more: Record<string, string> = {}) => world.server({ MODELS_PATH: modelsPath, HF_ENDPOINT: hub.url, MAX_MODEL_BYTES: '500000', ...more })
const register = (name: string) => ask<ModelConfig & { id: string }>(server, 'POST', '/api/models', { token, body: { name, type: 'nlp', architecture: 'unknown' } })
const model = (id: string) => call<ModelConfig>(server, 'GET', `/api/models/${id}`, { token })
const begin = (body: object) => call<ModelImport>(server, 'POST', '/api/imports', { token, body: { repo, ...body } })
const progress = (id: string) => ask<ModelImport>(server, 'GET', `/api/imports/${id}`, { token })
const onDisk = async () => (await readdir(modelsPath)).filter((name) => name !== '.incoming')

async function upload(id: string, parts: Iterable<[string, Uint8Array<ArrayBuffer>]>, as = token) {
  const form = new FormData()
  for (const [name, bytes] of parts) form.append(name, new Blob([bytes]), name)
  const response = await fetch(`${server.url}/api/weights/models/${id}/upload`, { method: 'POST', body: form, headers: { authorization: `Bearer ${as}` } })
  return { status: response.status, body: await response.json() as { data?: ModelConfig; error?: string; message?: string; path?: string } }
}

async function until<T>(look: () => Promise<T>, good: (seen: T) => boolean): Promise<T> {
  for (let seen = await look(); ; seen = await look()) {
    if (good(seen)) return seen
    await sleep(50)
  }
}
const ended = (id: string) => until(() => progress(id), ({ status }) => status !== 'running')

test('a registered model gets its files in one body, and is what they say', async () => {
  const { id } = await register('Uploaded')
  const { status, body } = await upload(id, files)
  expect(status).toBe(200)
  expect(body.data).toMatchObject({ name: 'Uploaded', architecture: 'llama', parameters: 89_712, inputShape: [64], checkpointPath: id })
  expect((await model(id)).body).toMatchObject({ data: { architecture: 'llama', checkpointPath: id } })
  expect(new Uint8Array(await readFile(join(modelsPath, id, weights)))).toEqual(files.get(weights))
  expect(await upload(id, files)).toMatchObject({ status: 409, body: { error: 'conflict' } })
})

test('an upload that is not a whole model is refused by name, and leaves nothing behind', async () => {
  const { id } = await register('Broken')
  const before = await onDisk()
  const changed = (name: string, bytes: Uint8Array<ArrayBuffer>) => new Map(files).set(name, bytes)
  const [whole = new Uint8Array()] = [files.get(weights)]
  const refused = async (parts: Iterable<[string, Uint8Array<ArrayBuffer>]>, answer: object) => expect(await upload(id, parts)).toMatchObject(answer)
  await refused(changed(weights, whole.slice(0, -8)), { status: 400, body: { message: expect.stringMatching(/^model\.safetensors: tensor .* the file is cut short/) } })
  await refused([...files].slice(0, 1), { status: 400, body: { message: expect.stringContaining('neither model.safetensors nor') } })
  await refused(changed('pytorch_model.bin', whole), { status: 400, body: { message: expect.stringContaining('"pytorch_model.bin" is no file of a model'), path: 'pytorch_model.bin' } })
  await refused([...files, ...files], { status: 400, body: { message: 'a file was sent twice' } })
  await refused(changed('prompts.jsonl', new Uint8Array(200_000)), { status: 413, body: { message: expect.stringContaining('at most 500000 bytes') } })
  expect(await call(server, 'POST', `/api/weights/models/${id}/upload`, { token, body: {} })).toMatchObject({ status: 400, body: { message: 'send the files as multipart/form-data' } })
  expect(await upload('nowhere', files)).toMatchObject({ status: 404 })
  expect(await upload(id, files, (await guest(server)).token)).toMatchObject({ status: 403 })
  expect(await onDisk()).toEqual(before)
  expect(await readdir(join(modelsPath, '.incoming'))).toEqual([])
  expect((await upload(id, files)).status).toBe(200)
})

test('a body that breaks off is no model', async () => {
  const { id } = await register('Half')
  const boundary = 'x'
  const body = `--${boundary}\r\ncontent-disposition: form-data; name="config.json"; filename="config.json"\r\n\r\n{`
  const response = await fetch(`${server.url}/api/weights/models/${id}/upload`, { method: 'POST', body, headers: { authorization: `Bearer ${token}`, 'content-type': `multipart/form-data; boundary=${boundary}` } })
  expect([response.status, await response.json()]).toMatchObject([400, { message: expect.stringContaining('the body cannot be read') }])
  expect(await readdir(join(modelsPath, '.incoming'))).toEqual([])
})

test('a model is imported from the hub while its progress can be followed, and can then be trained', async () => {
  const { status, body } = await begin({ name: 'from-hub' })
  expect([status, body]).toMatchObject([202, { data: { name: 'from-hub', repo, revision: 'main', status: 'running' } }])
  const id = body.success ? body.data.id : ''
  const done = await ended(id)
  expect(done).toMatchObject({ status: 'done', file: weights, error: null })
  expect(done.bytes).toBe(done.totalBytes)
  expect((await model('from-hub')).body).toMatchObject({ data: { architecture: 'llama', huggingfaceRepo: repo, checkpointPath: 'from-hub' } })
  expect((await begin({ name: 'from-hub' })).body).toMatchObject({ error: 'conflict', path: 'name' })
  const [latest] = await ask<ModelImport[]>(server, 'GET', '/api/imports', { token })
  expect(latest).toEqual(done)
})

test('an import that fails says why, without a path of the server, and the same name is free again', async () => {
  const { body } = await begin({ repo: 'maker/none', name: 'again' })
  expect(await ended(body.success ? body.data.id : '')).toMatchObject({ status: 'failed', error: expect.stringContaining('maker/none is private or gated, or does not exist') })
  hub.repositories.set('maker/odd', { commit, files: new Map(files).set('config.json', new TextEncoder().encode('{"model_type": "mamba"}')) })
  const odd = await begin({ repo: 'maker/odd', name: 'again' })
  const failed = await ended(odd.body.success ? odd.body.data.id : '')
  expect(failed.error).toMatch(/^config\.json: model_type "mamba" is not supported/)
  expect(failed.error).not.toContain(modelsPath)
  const private_ = 'maker/private'
  hub.repositories.set(private_, { commit, files, token: 'hf_mine' })
  const opened = await begin({ repo: private_, name: 'again', token: 'hf_mine' })
  expect(await ended(opened.body.success ? opened.body.data.id : '')).toMatchObject({ status: 'done' })
})

test('an import is stopped, and one whose server is gone is gone on with where it was', async () => {
  let open = false
  const slow = 'maker/slow'
  hub.repositories.set(slow, { commit, files: new Map(files) })
  hub.tamper = (file, bytes) => file === weights && !open ? { bytes: bytes.subarray(0, 40_000), cut: true } : { bytes, cut: false }
  hub.sent.clear()
  const stopped = await begin({ repo: slow, name: 'stopped' })
  const id = stopped.body.success ? stopped.body.data.id : ''
  for (const other of [{ repo: slow, name: 'other' }, { name: 'stopped' }]) expect(await begin(other)).toMatchObject({ status: 409 })
  expect(await ask(server, 'DELETE', `/api/imports/${id}`, { token })).toMatchObject({ status: 'stopped' })
  expect(await call(server, 'DELETE', `/api/imports/${id}`, { token })).toMatchObject({ status: 404 })

  const mortal = await start()
  const orphan = await ask<ModelImport>(mortal, 'POST', '/api/imports', { token, body: { repo: slow, name: 'orphan' } })
  const before = hub.sent.get(weights) ?? 0
  await until(async () => hub.sent.get(weights) ?? 0, (sent) => sent > before)
  // What its server does last.
  await mortal.core.imports.close()
  expect(await progress(orphan.id)).toMatchObject({ status: 'running' })
  open = true
  // As long as it takes for nobody to have spoken for it.
  await world.pool.query(`update imports set spoken_at = now() - interval '1 hour' where id = $1`, [orphan.id])
  expect(await ended(orphan.id)).toMatchObject({ status: 'done' })
  expect(hub.sent.get(weights)).toBe(files.get(weights)?.byteLength)
  expect((await model('orphan')).status).toBe(200)
})

test('a model that appears under MODELS_PATH becomes known; a directory that is none does not', async () => {
  await cp(fixture, join(modelsPath, 'appeared'), { recursive: true })
  await writeFile(join(modelsPath, 'appeared', 'README.md'), 'mine')
  await cp(join(fixture, 'config.json'), join(modelsPath, 'no-weights', 'config.json'))
  await until(() => model('appeared'), ({ status }) => status === 200)
  expect((await model('appeared')).body).toMatchObject({ data: { name: 'appeared', architecture: 'llama', parameters: 89_712 } })
  expect((await model('no-weights')).status).toBe(404)
})
