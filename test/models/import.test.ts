import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { importModel, openIncoming, type Intake } from '../../lm/files/import.ts'
import type { Progress } from '../../lm/files/hub.ts'
import { readModel } from '../../lm/files/directory.ts'
import { openHub, type Hub } from '../helpers/hub.ts'

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))
const repository = fileURLToPath(new URL('../..', import.meta.url))
const commit = 'c0ffee'.padEnd(40, '0')
const weights = 'model.safetensors'
let hub: Hub
let modelsPath: string
beforeEach(async () => {
  modelsPath = await mkdtemp(join(tmpdir(), 'intake-'))
  hub = await openHub()
  hub.repositories.set('maker/Tiny-Llama', { commit, files: await filesOf('llama-tiny') })
})
afterEach(async () => {
  await hub.close()
  await rm(modelsPath, { recursive: true })
})

async function filesOf(name: string): Promise<Map<string, Uint8Array>> {
  const names = (await readdir(fixture(name))).filter((file) => file !== 'expected.safetensors')
  return new Map(
    await Promise.all(
      names.map(async (file) => [file, new Uint8Array(await readFile(join(fixture(name), file)))] as const),
    ),
  )
}
const fromHub = (repo = 'maker/Tiny-Llama', more: { revision?: string; token?: string } = {}) => ({
  kind: 'hub' as const,
  repo,
  revision: 'main',
  hubUrl: hub.url,
  ...more,
})
const around = (more: Partial<Intake> = {}): Intake => ({ modelsPath, maxBytes: 2 ** 30, ...more })
const sizeOf = (file: string): number => hub.repositories.get('maker/Tiny-Llama')?.files.get(file)?.byteLength ?? 0
/** What is under MODELS_PATH: models, and what is on its way in. */
const present = async () => ({
  models: (await readdir(modelsPath)).filter((name) => name !== '.incoming'),
  incoming: await readdir(join(modelsPath, '.incoming')).catch(() => []),
})

describe('a model from the hub', () => {
  test('comes in whole, under its own name, and nothing but what makes a model is downloaded', async () => {
    hub.repositories
      .get('maker/Tiny-Llama')
      ?.files.set('pytorch_model.bin', new Uint8Array(9))
      .set('onnx.bin', new Uint8Array(9))
      .set('README.md', new Uint8Array(3))
    const heard: Progress[] = []
    const imported = await importModel(fromHub(), around({ onProgress: (progress) => heard.push(progress) }))
    expect(imported).toMatchObject({
      name: 'tiny-llama',
      commit,
      directory: join(modelsPath, 'tiny-llama'),
      model: { family: 'llama', parameters: 89_712 },
    })
    expect((await readdir(imported.directory)).sort()).toEqual([
      'README.md',
      'config.json',
      'generation_config.json',
      weights,
    ])
    expect(await readFile(join(imported.directory, weights))).toEqual(
      await readFile(join(fixture('llama-tiny'), weights)),
    )
    const total = heard[0]?.totalBytes ?? NaN
    expect(heard.at(-1)).toEqual({ file: weights, bytes: total, totalBytes: total })
    heard.forEach(({ bytes }, i) => expect(bytes).toBeGreaterThanOrEqual(heard[i - 1]?.bytes ?? 0))
    expect(await present()).toEqual({ models: ['tiny-llama'], incoming: [] })
  })

  test('may lie in several files', async () => {
    hub.repositories.set('maker/shards', { commit, files: await filesOf('smollm2-sharded-bf16') })
    const { directory } = await importModel(fromHub('maker/shards'), around())
    const [found, wanted] = [await readModel(directory), await readModel(fixture('smollm2-sharded-bf16'))]
    for (const name of wanted.weights.keys()) expect(found.weights.get(name)).toEqual(wanted.weights.get(name))
  })

  test('whose connection breaks goes on where it broke, and no byte is sent twice', async () => {
    let cuts = 3
    hub.tamper = (file, bytes) =>
      file === weights && cuts-- > 0 ? { bytes: bytes.subarray(0, 70_000), cut: true } : { bytes, cut: false }
    await importModel(fromHub(), around())
    expect(hub.requests.filter((request) => request.startsWith(weights))).toHaveLength(4)
    expect(hub.sent.get(weights)).toBe(sizeOf(weights))
    expect((await present()).models).toEqual(['tiny-llama'])
  })

  test('that could not be had is gone on from the next time', async () => {
    hub.tamper = (file, bytes) =>
      file === weights ? { bytes: bytes.subarray(0, 30_000), cut: true } : { bytes, cut: false }
    await expect(importModel(fromHub(), around())).rejects.toThrow(
      /maker\/Tiny-Llama: model\.safetensors could not be downloaded: .*the partial download is kept/,
    )
    expect((await present()).models).toEqual([])
    const before = hub.sent.get(weights) ?? 0
    expect(before).toBeGreaterThan(0)
    hub.tamper = (_, bytes) => ({ bytes, cut: false })
    hub.requests.length = 0
    await importModel(fromHub(), around())
    expect(hub.sent.get(weights)).toBe(sizeOf(weights))
    expect(hub.requests).toEqual([`${weights} ${before}-${sizeOf(weights)}`])
  })

  test('that is stopped stops at once, and can be gone on from', async () => {
    const controller = new AbortController()
    const stopped = importModel(
      fromHub(),
      around({
        signal: controller.signal,
        onProgress: ({ file }) => file === weights && controller.abort(new Error('stopped')),
      }),
    )
    await expect(stopped).rejects.toThrow()
    expect((await present()).models).toEqual([])
    await importModel(fromHub(), around())
    expect((await present()).models).toEqual(['tiny-llama'])
  })

  test('that arrives damaged is refused by its hash, and downloaded anew', async () => {
    hub.tamper = (file, bytes) => ({
      bytes: file === weights ? bytes.map((byte, i) => (i === 1_000 ? byte ^ 1 : byte)) : bytes,
      cut: false,
    })
    await expect(importModel(fromHub(), around())).rejects.toThrow(
      /model\.safetensors is corrupt: its hash is [0-9a-f]{64}, the hub says [0-9a-f]{64}/,
    )
    expect((await present()).models).toEqual([])
    hub.tamper = (_, bytes) => ({ bytes, cut: false })
    await importModel(fromHub(), around())
    expect((await present()).models).toEqual(['tiny-llama'])
  })

  test('that is private opens to its token alone', async () => {
    hub.repositories.set('maker/secret', { commit, files: await filesOf('llama-tiny'), token: 'hf_right' })
    for (const token of [undefined, 'hf_wrong'])
      await expect(importModel(fromHub('maker/secret', { token }), around())).rejects.toThrow(
        'maker/secret is private or gated, or does not exist: provide a token',
      )
    expect((await importModel(fromHub('maker/secret', { token: 'hf_right' }), around())).name).toBe('secret')
  })

  test('is read at the revision that was asked for, which must be there', async () => {
    expect((await importModel(fromHub('maker/Tiny-Llama', { revision: commit }), around())).commit).toBe(commit)
    await expect(
      importModel(fromHub('maker/Tiny-Llama', { revision: 'v9' }), around({ name: 'other' })),
    ).rejects.toThrow('the hub has no model maker/Tiny-Llama at revision v9')
  })
})

describe('what is not a whole model leaves nothing behind', () => {
  const change = async (path: string, edit: (bytes: Uint8Array) => Uint8Array | null) => {
    const { files } = hub.repositories.get('maker/Tiny-Llama') ?? {}
    const changed = edit(files?.get(path) ?? new Uint8Array())
    if (changed) files?.set(path, changed)
    else files?.delete(path)
  }
  const text =
    (edit: (text: string) => string) =>
    (bytes: Uint8Array): Uint8Array =>
      new TextEncoder().encode(edit(new TextDecoder().decode(bytes)))

  test.each([
    [
      'an unknown architecture',
      'config.json',
      text((json) => json.replace('"llama"', '"mamba"')),
      'config.json: model_type "mamba" is not supported',
    ],
    [
      'a file that is cut short',
      weights,
      (bytes: Uint8Array) => bytes.slice(0, -4),
      /model\.safetensors: tensor .* the file is truncated/,
    ],
    [
      'a file that is too long',
      weights,
      (bytes: Uint8Array) => new Uint8Array(Buffer.concat([bytes, Buffer.alloc(1)])),
      /model\.safetensors: 1 bytes follow its last tensor/,
    ],
    [
      'another size than its configuration says',
      'config.json',
      text((json) => json.replace('"vocab_size": 211', '"vocab_size": 210')),
      'tensor model.embed_tokens.weight is [211,48], the configuration says [210,48]',
    ],
    ['a broken tokenizer', 'tokenizer.json', text(() => '{'), 'tokenizer.json is not JSON'],
    ['no configuration', 'config.json', () => null, 'maker/Tiny-Llama at main has no config.json'],
    ['no weights', weights, () => null, 'maker/Tiny-Llama at main has no model.safetensors'],
  ])('%s', async (_, path, edit, message) => {
    await change(path, edit)
    await expect(importModel(fromHub(), around())).rejects.toThrow(message)
    expect(await present()).toEqual({ models: [], incoming: [] })
  })

  test('a pickle alone is refused before a byte of it is downloaded', async () => {
    await change(weights, () => null)
    await change('pytorch_model.bin', () => new Uint8Array(100))
    await expect(importModel(fromHub(), around())).rejects.toThrow(
      'maker/Tiny-Llama at main has its weights as a pickle (pytorch_model.bin)',
    )
    expect(hub.requests).toEqual([])
  })

  test('a model larger than the limit is refused before a byte of it is downloaded', async () => {
    await expect(importModel(fromHub(), around({ maxBytes: 300_000 }))).rejects.toThrow(
      /maker\/Tiny-Llama has \d+ bytes; at most 300000 are imported/,
    )
    expect(hub.requests).toEqual([])
  })

  test('a name that is taken, or is none, is refused first', async () => {
    await importModel(fromHub(), around())
    hub.requests.length = 0
    await expect(importModel(fromHub(), around())).rejects.toThrow(
      'there is a model tiny-llama already; import this one under another name',
    )
    for (const name of ['../out', '.incoming', 'A', ''])
      await expect(importModel(fromHub(), around({ name }))).rejects.toThrow('is not a valid model name')
    expect(hub.requests).toEqual([])
  })
})

describe('a model from a directory', () => {
  test('is copied, with its prompts and without what is no part of it', async () => {
    const from = join(modelsPath, 'outside')
    await cp(fixture('llama-tiny'), from, { recursive: true })
    await writeFile(join(from, 'prompts.jsonl'), '{"prompt": "Hi"}\n')
    const imported = await importModel({ kind: 'directory', path: from }, around({ name: 'copied' }))
    expect(imported).toMatchObject({ name: 'copied', commit: null })
    expect((await readdir(imported.directory)).sort()).toEqual([
      'config.json',
      'generation_config.json',
      weights,
      'prompts.jsonl',
    ])
  })

  test('that is not whole leaves nothing behind', async () => {
    const from = join(modelsPath, 'outside')
    await cp(fixture('llama-tiny'), from, { recursive: true })
    await writeFile(join(from, weights), 'not weights')
    await expect(importModel({ kind: 'directory', path: from }, around({ name: 'copied' }))).rejects.toThrow(
      'model.safetensors: its header claims',
    )
    await expect(
      importModel({ kind: 'directory', path: from }, around({ name: 'copied', maxBytes: 1 })),
    ).rejects.toThrow('at most 1 are imported')
    expect(await present()).toEqual({ models: ['outside'], incoming: [] })
  })
})

test('what was left half-way is cleared away when it is long over, and not before', async () => {
  const [old, young] = [await openIncoming(modelsPath, 'old'), await openIncoming(modelsPath, 'young')]
  const then = new Date(Date.now() - 15 * 86_400_000)
  await utimes(old, then, then)
  await openIncoming(modelsPath, 'next')
  expect((await present()).incoming.sort()).toEqual(['next', 'young'])
  expect(await readdir(young)).toEqual([])
})

test('npm run model -- import takes a repository in from the hub that the environment names', async () => {
  const env = { ...process.env, MODELS_PATH: modelsPath, HF_ENDPOINT: hub.url }
  const args = ['--import', 'tsx', 'scripts/model/main.ts', 'import', 'maker/Tiny-Llama', '--name', 'mine']
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: repository, env })
  expect(JSON.parse(stdout)).toMatchObject({ name: 'mine', commit, model: { family: 'llama' } })
  expect(stderr).toMatch(/model\.safetensors: (\d+) of \1 bytes/)
})
