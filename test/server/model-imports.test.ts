import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ModelImport } from '../../core/protocol/index.ts'
import { ask, call } from './attune.ts'
import {
  begin,
  closeModels,
  commit,
  ended,
  files,
  hub,
  model,
  modelsPath,
  openModels,
  progress,
  repo,
  server,
  start,
  token,
  until,
  weights,
  world,
} from './models-world.ts'

beforeAll(openModels)
afterAll(closeModels)

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
  await mortal.deps.imports.close()
  expect(await progress(orphan.id)).toMatchObject({ status: 'running' })
  open = true
  // As long as it takes for nobody to have spoken for it.
  await world.pool.query(`update imports set spoken_at = now() - interval '1 hour' where id = $1`, [orphan.id])
  expect(await ended(orphan.id)).toMatchObject({ status: 'done' })
  // What was on its way when the server went is sent again, and nothing else.
  expect(hub.sent.get(weights)).toBeLessThanOrEqual((files.get(weights)?.byteLength ?? 0) + cutAt)
  expect((await model('orphan')).status).toBe(200)
})
