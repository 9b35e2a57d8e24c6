import { afterAll, beforeAll, expect, test } from 'vitest'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { extract } from 'tar-stream'
import { limits, TrainingConfig, type Download, type ModelConfig, type ModelFile } from '../../core/protocol/index.ts'
import { openCheckpoints } from '../../trainer/loop/checkpoint.ts'
import { describeModel } from '../../lm/files/describe.ts'
import { exportRun, openRun } from '../../trainer/loop/run-state.ts'
import { writeTinyModel } from '../helpers/tiny-model.ts'
import { ask, call, guest } from './attune.ts'
import {
  checkpointsPath,
  closeModels,
  downloadsPath,
  fixture,
  model,
  modelsPath,
  openModels,
  register,
  server,
  token,
  until,
  upload,
  weights,
  world,
} from './models-world.ts'

beforeAll(openModels)
afterAll(closeModels)

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
