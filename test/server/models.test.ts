import { afterAll, beforeAll, expect, test } from 'vitest'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { extract } from 'tar-stream'
import {
  limits,
  TrainingConfig,
  type Download,
  type ModelConfig,
  type ModelFile,
  type ModelImport,
} from '../../core/protocol/index.ts'
import { openCheckpoints } from '../../trainer/loop/checkpoint.ts'
import { describeModel } from '../../lm/files/describe.ts'
import { exportRun, openRun } from '../../trainer/loop/run-state.ts'
import { writeTinyModel } from '../helpers/tiny-model.ts'
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
let checkpointsPath: string
let downloadsPath: string
let token: string
let files: Map<string, Uint8Array<ArrayBuffer>>

beforeAll(async () => {
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
})
afterAll(async () => {
  await world.close()
  await hub.close()
  await rm(modelsPath, { recursive: true })
  await rm(checkpointsPath, { recursive: true })
  await rm(downloadsPath, { recursive: true })
})

const start = (more: Record<string, string> = {}) =>
  world.server({
    MODELS_PATH: modelsPath,
    CHECKPOINTS_PATH: checkpointsPath,
    DOWNLOADS_PATH: downloadsPath,
    HF_ENDPOINT: hub.url,
    MAX_MODEL_BYTES: '500000',
    ...more,
  })
const register = (name: string) =>
  ask<ModelConfig & { id: string }>(server, 'POST', '/api/models', {
    token,
    body: { name, type: 'nlp', architecture: 'unknown' },
  })
const model = (id: string) => call<ModelConfig>(server, 'GET', `/api/models/${id}`, { token })
const begin = (body: object) => call<ModelImport>(server, 'POST', '/api/imports', { token, body: { repo, ...body } })
const progress = (id: string) => ask<ModelImport>(server, 'GET', `/api/imports/${id}`, { token })
const onDisk = async () => (await readdir(modelsPath)).filter((name) => name !== '.incoming')

async function upload(id: string, parts: Iterable<[string, Uint8Array<ArrayBuffer>]>, as = token) {
  const form = new FormData()
  for (const [name, bytes] of parts) form.append(name, new Blob([bytes]), name)
  const response = await fetch(`${server.url}/api/weights/models/${id}/upload`, {
    method: 'POST',
    body: form,
    headers: { authorization: `Bearer ${as}` },
  })
  return {
    status: response.status,
    body: (await response.json()) as { data?: ModelConfig; error?: string; message?: string; path?: string },
  }
}

async function until<T>(look: () => Promise<T>, good: (seen: T) => boolean): Promise<T> {
  for (let seen = await look(); ; seen = await look()) {
    if (good(seen)) return seen
    await sleep(50)
  }
}
const ended = (id: string) =>
  until(
    () => progress(id),
    ({ status }) => status !== 'running',
  )

test('a registered model gets its files in one body, and is what they say', async () => {
  const { id } = await register('Uploaded')
  const { status, body } = await upload(id, files)
  expect(status).toBe(200)
  expect(body.data).toMatchObject({
    name: 'Uploaded',
    architecture: 'llama',
    parameters: 89_712,
    inputShape: [64],
    checkpointPath: id,
  })
  expect((await model(id)).body).toMatchObject({ data: { architecture: 'llama', checkpointPath: id } })
  expect(new Uint8Array(await readFile(join(modelsPath, id, weights)))).toEqual(files.get(weights))
  expect(await upload(id, files)).toMatchObject({ status: 409, body: { error: 'conflict' } })
})

test('an upload that is not a whole model is refused by name, and leaves nothing behind', async () => {
  const { id } = await register('Broken')
  const before = await onDisk()
  const changed = (name: string, bytes: Uint8Array<ArrayBuffer>) => new Map(files).set(name, bytes)
  const [whole = new Uint8Array()] = [files.get(weights)]
  const refused = async (parts: Iterable<[string, Uint8Array<ArrayBuffer>]>, answer: object) =>
    expect(await upload(id, parts)).toMatchObject(answer)
  await refused(changed(weights, whole.slice(0, -8)), {
    status: 400,
    body: { message: expect.stringMatching(/^model\.safetensors: tensor .* the file is truncated/) },
  })
  await refused([...files].slice(0, 1), {
    status: 400,
    body: { message: expect.stringContaining('neither model.safetensors nor') },
  })
  await refused(changed('pytorch_model.bin', whole), {
    status: 400,
    body: { message: expect.stringContaining('"pytorch_model.bin" is no file of a model'), path: 'pytorch_model.bin' },
  })
  await refused([...files, ...files], { status: 400, body: { message: 'a file was sent twice' } })
  await refused(changed('prompts.jsonl', new Uint8Array(200_000)), {
    status: 413,
    body: { message: expect.stringContaining('at most 500000 bytes') },
  })
  expect(await call(server, 'POST', `/api/weights/models/${id}/upload`, { token, body: {} })).toMatchObject({
    status: 400,
    body: { message: 'send the files as multipart/form-data' },
  })
  expect(await upload('nowhere', files)).toMatchObject({ status: 404 })
  expect(await upload(id, files, (await guest(server)).token)).toMatchObject({ status: 403 })
  expect(await onDisk()).toEqual(before)
  expect(await readdir(join(modelsPath, '.incoming'))).toEqual([])
  expect((await upload(id, files)).status).toBe(200)
})

test('a hostile model is refused with a sentence, and others are answered meanwhile', async () => {
  const text = (value: unknown) =>
    new Uint8Array(new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value)))
  const config = JSON.parse(new TextDecoder().decode(files.get('config.json'))) as object
  const tiny = join(modelsPath, '.tiny')
  await writeTinyModel(tiny)
  const tokenizer = JSON.parse(await readFile(join(tiny, 'tokenizer.json'), 'utf8')) as { pre_tokenizer: object }
  const endless = {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: '(?:[^\\n]+)+\\n\\n\\n\\n' }, behavior: 'Isolated', invert: false },
      tokenizer.pre_tokenizer,
    ],
  }
  const whole: [string, Uint8Array<ArrayBuffer>][] = await Promise.all(
    (await readdir(tiny))
      .filter((name) => name !== 'prompts.jsonl')
      .map(async (name) => [name, new Uint8Array(await readFile(join(tiny, name)))]),
  )
  for (const [name, parts, message] of [
    [
      'a million layers',
      new Map(files).set('config.json', text({ ...config, num_hidden_layers: 1e6 })),
      /num_hidden_layers is 1000000, and the weights hold \d+ tensors/,
    ],
    [
      'a billion layers',
      new Map(files).set('config.json', text({ ...config, num_hidden_layers: 1e9 })),
      /num_hidden_layers is 1000000000/,
    ],
    [
      'a deep configuration',
      new Map(files).set('config.json', text(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)),
      /more than 64 deep/,
    ],
    [
      'a pattern without end',
      new Map(whole).set('tokenizer.json', text({ ...tokenizer, pre_tokenizer: endless })),
      /was stopped/,
    ],
    [
      'a template without end',
      new Map(whole).set(
        'chat_template.jinja',
        text('{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}'),
      ),
      /chat_template\.jinja: its chat template fails: .*was stopped/,
    ],
  ] as const) {
    const { id } = await register(name)
    let over = false
    const refused = upload(id, parts).finally(() => (over = true))
    let answered = 0
    while (!over) {
      await fetch(`${server.url}/health`)
      answered++
      await sleep(20)
    }
    const answer = await refused
    expect(answer, name).toMatchObject({
      status: 400,
      body: { error: 'invalid', message: expect.stringMatching(message) },
    })
    // What is stopped after ten seconds would have held everybody up for these.
    if (name.endsWith('without end')) expect(answered, name).toBeGreaterThan(10)
  }
  await rm(tiny, { recursive: true })
}, 180_000)

test('an upload that the disk refuses is 503 with a sentence, and so is an import', async () => {
  const blocked = await start({ MODELS_PATH: join(modelsPath, 'file', 'models') })
  await writeFile(join(modelsPath, 'file'), '')
  const { id } = await register('Nowhere to go')
  const form = new FormData()
  form.append('config.json', new Blob(['{}']), 'config.json')
  const response = await fetch(`${blocked.url}/api/weights/models/${id}/upload`, {
    method: 'POST',
    body: form,
    headers: { authorization: `Bearer ${token}` },
  })
  expect([response.status, await response.json()]).toMatchObject([
    503,
    { error: 'unavailable', message: expect.stringContaining('(ENOTDIR)') },
  ])
  await rm(join(modelsPath, 'file'))
})

test('a file that is read whole is refused as it arrives, once it is larger than such a file may be', async () => {
  const roomy = await start({ MAX_MODEL_BYTES: String(2 ** 30) })
  const { id } = await register('Wordy')
  const form = new FormData()
  form.append('config.json', new Blob([new Uint8Array(2 ** 20 + 1)]), 'config.json')
  const response = await fetch(`${roomy.url}/api/weights/models/${id}/upload`, {
    method: 'POST',
    body: form,
    headers: { authorization: `Bearer ${token}` },
  })
  expect([response.status, await response.json()]).toMatchObject([
    413,
    { error: 'too-large', message: expect.stringContaining('config.json has more than the 1048576 bytes') },
  ])
})

test('a body that breaks off is no model', async () => {
  const { id } = await register('Half')
  const boundary = 'x'
  const body = `--${boundary}\r\ncontent-disposition: form-data; name="config.json"; filename="config.json"\r\n\r\n{`
  const response = await fetch(`${server.url}/api/weights/models/${id}/upload`, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${token}`, 'content-type': `multipart/form-data; boundary=${boundary}` },
  })
  expect([response.status, await response.json()]).toMatchObject([
    400,
    { message: expect.stringContaining('the body cannot be read') },
  ])
  expect(await readdir(join(modelsPath, '.incoming'))).toEqual([])
})

test('a model is imported from the hub while its progress can be followed', async () => {
  const { status, body } = await begin({ name: 'from-hub' })
  expect([status, body]).toMatchObject([202, { data: { name: 'from-hub', repo, revision: 'main', status: 'running' } }])
  const id = body.success ? body.data.id : ''
  const done = await ended(id)
  expect(done).toMatchObject({ status: 'done', file: weights, error: null })
  expect(done.bytes).toBe(done.totalBytes)
  expect((await model('from-hub')).body).toMatchObject({
    data: { architecture: 'llama', huggingfaceRepo: repo, checkpointPath: 'from-hub' },
  })
  expect((await begin({ name: 'from-hub' })).body).toMatchObject({ error: 'conflict', path: 'name' })
  const [latest] = await ask<ModelImport[]>(server, 'GET', '/api/imports', { token })
  expect(latest).toEqual(done)
})

test('a model is trained once it has weights and is told what it will be asked; a run could only fail before', async () => {
  const { id } = await register('Asked')
  const begin = () => call(server, 'POST', '/api/training/start', { token, body: { modelId: id } })
  const give = async (lines: string, as = token, type = 'application/x-ndjson') => {
    const response = await fetch(`${server.url}/api/models/${id}/prompts`, {
      method: 'POST',
      body: lines,
      headers: { authorization: `Bearer ${as}`, 'content-type': type },
    })
    return { status: response.status, body: (await response.json()) as object }
  }
  const refused = (status: number, message: string) => ({ status, body: { message: expect.stringContaining(message) } })
  const two = '{"prompt": "I am sad."}\n\n{"prompt": "How are you?", "answer": "Well."}\n'

  expect(await begin()).toMatchObject(refused(409, `/api/weights/models/${id}/upload`))
  expect(await give(two)).toMatchObject(refused(409, 'has no weights'))
  await writeTinyModel(join(modelsPath, 'whole'), 'llama')
  const parts = await Promise.all(
    (await readdir(join(modelsPath, 'whole')))
      .filter((name) => name !== 'prompts.jsonl')
      .map(
        async (name) =>
          [name, new Uint8Array(await readFile(join(modelsPath, 'whole', name)))] as [string, Uint8Array<ArrayBuffer>],
      ),
  )
  expect((await upload(id, parts)).status).toBe(200)
  expect(await begin()).toMatchObject(refused(409, `/api/models/${id}/prompts`))

  expect(await give('{"prompt": "I am sad."}\nHow are you?')).toMatchObject(
    refused(400, 'the prompts: line 2 is not JSON'),
  )
  expect(await give('{"prompt": " "}')).toMatchObject(refused(400, 'line 1'))
  expect(await give(' \n')).toMatchObject(refused(400, 'no prompts'))
  expect(await give(JSON.stringify({ prompt: 'so '.repeat(200) }))).toMatchObject(
    refused(400, "no room for an answer in the model's context of 128"),
  )
  expect(await give('x'.repeat(limits.promptFileBytes + 1))).toMatchObject(
    refused(413, `at most ${limits.promptFileBytes} bytes`),
  )
  expect(await give(two, token, 'text/plain')).toMatchObject(refused(400, 'application/x-ndjson'))
  expect((await give(two, (await guest(server)).token)).status).toBe(403)
  expect(await give(two)).toMatchObject({
    status: 200,
    body: { data: { modelId: id, prompts: 2, examples: ['I am sad.', 'How are you?'] } },
  })

  const { status, body } = await begin()
  expect(status).toBe(201)
  const { sessionId } = body.success ? (body.data as { sessionId: string }) : { sessionId: '' }
  expect(await give(two)).toMatchObject(refused(409, sessionId))
  await ask(server, 'POST', `/api/training/${sessionId}/stop`, { token })
  expect(await give('{"prompt": "Again?"}')).toMatchObject({ status: 200, body: { data: { prompts: 1 } } })
  expect(await ask(server, 'GET', `/api/models/${id}/prompts`, { token })).toEqual({
    modelId: id,
    prompts: 1,
    examples: ['Again?'],
  })
})

test('what a run has learnt becomes a model, whose files can be fetched in parts', async () => {
  const base = 'learning'
  await writeTinyModel(join(modelsPath, base))
  await until(
    () => model(base),
    ({ status }) => status === 200,
  )
  const { sessionId } = await ask<{ sessionId: string }>(server, 'POST', '/api/training/start', {
    token,
    body: { modelId: base },
  })
  const keep = (name: string, as = token) =>
    call<ModelConfig>(server, 'POST', `/api/training/${sessionId}/model`, { token: as, body: { name } })
  expect(await keep('learnt')).toMatchObject({
    status: 409,
    body: { message: expect.stringContaining('wait for its first step') },
  })

  const run = await openRun({
    sessionId,
    config: TrainingConfig.parse({}),
    modelDir: join(modelsPath, base),
    saved: null,
  })
  const hash = await openCheckpoints(join(checkpointsPath, sessionId)).save(await exportRun(run))
  await run.close()
  await world.pool.query('update sessions set checkpoint = $2, current_step = 1 where id = $1', [sessionId, hash])
  expect(await keep('learnt', (await guest(server)).token)).toMatchObject({ status: 403 })
  expect(await keep('no name')).toMatchObject({ status: 400, body: { path: 'name' } })
  expect(await keep('learnt')).toMatchObject({
    status: 201,
    body: { data: { id: 'learnt', architecture: 'gpt2', checkpointPath: 'learnt' } },
  })
  expect(await keep('learnt')).toMatchObject({ status: 409, body: { path: 'name' } })
  await rm(join(checkpointsPath, sessionId, `${hash}.safetensors`))
  expect(await keep('pruned')).toMatchObject({ status: 409, body: { message: expect.stringContaining('try again') } })
  expect(await readdir(join(modelsPath, '.incoming'))).toEqual([])

  const listed = await ask<ModelFile[]>(server, 'GET', '/api/weights/models/learnt/files', { token })
  expect(listed.map(({ name }) => name)).toEqual([
    'config.json',
    'generation_config.json',
    'model.safetensors',
    'prompts.jsonl',
    'tokenizer.json',
    'tokenizer_config.json',
  ])
  const fetched = (name: string, range: string) =>
    fetch(`${server.url}/api/weights/models/learnt/file?name=${encodeURIComponent(name)}`, {
      headers: { authorization: `Bearer ${token}`, range },
    })
  const whole = await readFile(join(modelsPath, 'learnt', weights))
  expect(listed.find(({ name }) => name === weights)?.bytes).toBe(whole.byteLength)
  const part = await fetched(weights, 'bytes=100-')
  expect(part.status).toBe(206)
  expect(Buffer.from(await part.arrayBuffer()).equals(whole.subarray(100))).toBe(true)
  for (const name of ['../demo/config.json', 'adapters', 'README.md'])
    expect((await fetched(name, 'bytes=0-')).status).toBe(404)
})

test('a model is packed as one archive, in the precision and compression that are asked for', async () => {
  await writeTinyModel(join(modelsPath, 'packed'), 'llama')
  await until(
    () => model('packed'),
    ({ status }) => status === 200,
  )
  const request = (body: object, as = token) =>
    call<Download>(server, 'POST', '/api/weights/models/packed/download', { token: as, body })
  const authorised = { headers: { authorization: `Bearer ${token}` } }
  const fetched = async (body: object) => {
    const begun = await request(body)
    expect(begun).toMatchObject({ status: 202, body: { data: { status: 'preparing', url: null } } })
    const { downloadId } = begun.body.success ? begun.body.data : { downloadId: '' }
    const done = await until(
      () => ask<Download>(server, 'GET', `/api/weights/downloads/${downloadId}/status`, { token }),
      ({ status }) => status !== 'preparing',
    )
    expect(done).toMatchObject({ status: 'ready', estimatedTime: 0, error: null })
    const archive = Buffer.from(await (await fetch(`${server.url}${done.url}`, authorised)).arrayBuffer())
    expect(archive.byteLength).toBe(done.bytes)
    expect(createHash('sha256').update(archive).digest('hex')).toBe(done.sha256)
    return archive
  }
  const unpack = async (archive: Buffer) => {
    const directory = await mkdtemp(join(modelsPath, '.unpacked-'))
    for await (const entry of Readable.from([archive]).pipe(extract()))
      await pipeline(entry, createWriteStream(join(directory, entry.header.name)))
    return describeModel(directory)
  }
  const original = await describeModel(join(modelsPath, 'packed'))
  expect(await unpack(await fetched({ format: 'huggingface', purpose: 'to look at' }))).toMatchObject({
    ...original,
    bytes: { 'model.safetensors': expect.any(Number) },
  })
  const small = await fetched({ precision: 'fp16', compression: 'gzip' })
  expect(await unpack(gunzipSync(small))).toMatchObject({ dtypes: ['F16'], parameters: original.parameters })
  expect(
    brotliDecompressSync(await fetched({ precision: 'fp16', compression: 'brotli' })).equals(gunzipSync(small)),
  ).toBe(true)
  expect(await readdir(downloadsPath)).toHaveLength(6)

  expect(await request({ format: 'gguf' })).toMatchObject({ status: 400, body: { path: 'format' } })
  expect(await request({ precision: 'int4' })).toMatchObject({ status: 400, body: { path: 'precision' } })
  expect(await request({ includeOptimizer: true })).toMatchObject({ status: 400, body: { path: 'includeOptimizer' } })
  expect((await request({}, (await guest(server)).token)).status).toBe(403)
  for (const id of ['packed', 'packed:fp32', 'packed:fp8:none', 'nowhere:fp32:none', '..:fp32:none'])
    expect((await call(server, 'GET', `/api/weights/downloads/${id}/status`, { token })).status).toBe(404)
})

test('an import that fails says why, without a path of the server, and the same name is free again', async () => {
  const { body } = await begin({ repo: 'maker/none', name: 'again' })
  expect(await ended(body.success ? body.data.id : '')).toMatchObject({
    status: 'failed',
    error: expect.stringContaining('maker/none is private or gated, or does not exist'),
  })
  hub.repositories.set('maker/odd', {
    commit,
    files: new Map(files).set('config.json', new TextEncoder().encode('{"model_type": "mamba"}')),
  })
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
  const cutAt = 40_000
  const slow = 'maker/slow'
  hub.repositories.set(slow, { commit, files: new Map(files) })
  hub.tamper = (file, bytes) =>
    file === weights && !open ? { bytes: bytes.subarray(0, cutAt), cut: true } : { bytes, cut: false }
  hub.sent.clear()
  const stopped = await begin({ repo: slow, name: 'stopped' })
  const id = stopped.body.success ? stopped.body.data.id : ''
  for (const other of [{ repo: slow, name: 'other' }, { name: 'stopped' }])
    expect(await begin(other)).toMatchObject({ status: 409 })
  expect(await ask(server, 'DELETE', `/api/imports/${id}`, { token })).toMatchObject({ status: 'stopped' })
  expect(await call(server, 'DELETE', `/api/imports/${id}`, { token })).toMatchObject({ status: 404 })

  const mortal = await start()
  const orphan = await ask<ModelImport>(mortal, 'POST', '/api/imports', { token, body: { repo: slow, name: 'orphan' } })
  const before = hub.sent.get(weights) ?? 0
  await until(
    async () => hub.sent.get(weights) ?? 0,
    (sent) => sent > before,
  )
  // What its server does last.
  await mortal.core.imports.close()
  expect(await progress(orphan.id)).toMatchObject({ status: 'running' })
  open = true
  // As long as it takes for nobody to have spoken for it.
  await world.pool.query(`update imports set spoken_at = now() - interval '1 hour' where id = $1`, [orphan.id])
  expect(await ended(orphan.id)).toMatchObject({ status: 'done' })
  // What was on its way when the server went is sent again, and nothing else.
  expect(hub.sent.get(weights)).toBeLessThanOrEqual((files.get(weights)?.byteLength ?? 0) + cutAt)
  expect((await model('orphan')).status).toBe(200)
})

test('a model that appears under MODELS_PATH becomes known; a directory that is none does not', async () => {
  await cp(fixture, join(modelsPath, 'appeared'), { recursive: true })
  await writeFile(join(modelsPath, 'appeared', 'README.md'), 'mine')
  await cp(join(fixture, 'config.json'), join(modelsPath, 'no-weights', 'config.json'))
  await until(
    () => model('appeared'),
    ({ status }) => status === 200,
  )
  expect((await model('appeared')).body).toMatchObject({
    data: { name: 'appeared', architecture: 'llama', parameters: 89_712 },
  })
  expect((await model('no-weights')).status).toBe(404)
})
