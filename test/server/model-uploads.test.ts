import { afterAll, beforeAll, expect, test } from 'vitest'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeTinyModel } from '../helpers/tiny-model.ts'
import { call, guest } from './attune.ts'
import {
  closeModels,
  files,
  model,
  modelsPath,
  onDisk,
  openModels,
  register,
  server,
  start,
  token,
  upload,
  weights,
} from './models-world.ts'

beforeAll(openModels)
afterAll(closeModels)

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
  expect(await upload(id, files, { as: (await guest(server)).token })).toMatchObject({ status: 403 })
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
})

test('an upload that the disk refuses is 503 with a sentence, and so is an import', async () => {
  const blocked = await start({ MODELS_PATH: join(modelsPath, 'file', 'models') })
  await writeFile(join(modelsPath, 'file'), '')
  const { id } = await register('Nowhere to go')
  expect(await upload(id, [['config.json', new TextEncoder().encode('{}')]], { to: blocked })).toMatchObject({
    status: 503,
    body: { error: 'unavailable', message: expect.stringContaining('(ENOTDIR)') },
  })
  await rm(join(modelsPath, 'file'))
})

test('a file that is read whole is refused as it arrives, once it is larger than such a file may be', async () => {
  const roomy = await start({ MAX_MODEL_BYTES: String(2 ** 30) })
  const { id } = await register('Wordy')
  expect(await upload(id, [['config.json', new Uint8Array(2 ** 20 + 1)]], { to: roomy })).toMatchObject({
    status: 413,
    body: { error: 'too-large', message: expect.stringContaining('config.json has more than the 1048576 bytes') },
  })
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
