import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import { Misuse } from '../../scripts/cli/options.ts'
import { runCommand } from '../../scripts/model/commands.ts'
import { readModel } from '../../lm/files/directory.ts'
import { openSafetensors } from '../../lm/files/safetensors-file.ts'
import type { SafetensorsFile } from '../../lm/files/safetensors.ts'

// See test/fixtures/README.md: what PyTorch and transformers compute.
const repository = fileURLToPath(new URL('../..', import.meta.url))
const fixture = fileURLToPath(new URL('../fixtures/llama-tiny', import.meta.url))
let scratch: string
let expected: SafetensorsFile
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'command-'))
  expected = await openSafetensors(join(fixture, 'expected.safetensors'))
})
afterAll(() => rm(scratch, { recursive: true }))

const rowsOf = (name: string): number[][] => {
  const {
    shape: [count = 0, length = 0],
    data,
  } = expected.int32(name)
  return Array.from({ length: count }, (_, i) => Array.from(data.subarray(i * length, (i + 1) * length)))
}

/** Runs `npm run model -- …args` without npm; its standard output must be one JSON value. */
async function model(args: string[], env: Record<string, string> = {}): Promise<unknown> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', 'scripts/model/main.ts', ...args],
    { cwd: repository, env: { ...process.env, ...env }, maxBuffer: 2 ** 26 },
  )
  return JSON.parse(stdout)
}

describe.each(['onnx', 'tfjs'])('the model command on %s', (engine) => {
  test('logits are one row of the vocabulary a position, as transformers has them', async () => {
    const [ids = []] = rowsOf('input_ids')
    const { logits } = z
      .object({ logits: z.array(z.array(z.number())) })
      .parse(await model(['logits', fixture, '--ids', ids.join(','), '--engine', engine]))
    const wanted = expected.float32('logits').data.subarray(0, ids.length * 211)
    expect(logits.map((row) => row.length)).toEqual(ids.map(() => 211))
    logits.flat().forEach((value, i) => expect(Math.abs(value - (wanted[i] ?? NaN))).toBeLessThan(2e-4))
  })

  test('a greedy continuation follows the given ids, as transformers writes it', async () => {
    const [whole = []] = rowsOf('greedy')
    expect(
      await model([
        'generate',
        fixture,
        '--ids',
        whole.slice(0, 6).join(','),
        '--max-new-tokens',
        '12',
        '--greedy',
        '--engine',
        engine,
      ]),
    ).toEqual({ ids: whole })
  })

  test('fitting writes a model directory with the parameters that AdamW gives in PyTorch', async () => {
    const [rows, out] = [join(scratch, 'rows.json'), join(scratch, engine)]
    await writeFile(rows, JSON.stringify(rowsOf('train_ids')))
    const options = ['--steps', '3', '--lr', '1e-3', '--betas', '0.9,0.95', '--eps', '1e-8', '--weight-decay', '0.1']
    const result = z
      .object({ losses: z.array(z.number()) })
      .parse(await model(['fit', fixture, '--ids-file', rows, '--out', out, '--engine', engine, ...options]))
    expect(result.losses[0]).toBeCloseTo(expected.float32('loss').data[0] ?? NaN, 5)
    const { weights, architecture } = await readModel(out)
    for (const name of architecture.parameters.keys()) {
      const wanted = expected.float32(`adamw3.${name}`).data
      const scale = Math.max(...wanted.map(Math.abs))
      weights
        .get(name)
        ?.data.forEach((value, i) => expect(Math.abs(value - (wanted[i] ?? NaN)) / scale, name).toBeLessThan(1e-3))
    }
    expect(architecture.config).toEqual((await readModel(fixture)).architecture.config)
  })
})

describe('the model command', () => {
  test('a model says what it is; the environment says where models are and what computes', async () => {
    expect(await model(['inspect', fixture])).toMatchObject({
      family: 'llama',
      parameters: 89_712,
      context: 64,
      dtypes: ['F32'],
      eosTokens: [1],
      tokenizer: null,
    })
    const { models } = z
      .object({ models: z.array(z.looseObject({ name: z.string() })) })
      .parse(await model(['list'], { MODELS_PATH: join(fixture, '..') }))
    expect(models.map(({ name }) => name)).toContain('smollm3-nope')
    await expect(model(['logits', fixture, '--ids', '1'], { ATTUNE_ENGINE: 'none' })).rejects.toThrow(
      'ATTUNE_ENGINE is wrong',
    )
  })

  test('a text is asked by the chat template and answered in words; the same seed says the same', async () => {
    const args = ['generate', 'models/demo', '--prompt', 'I feel lonely', '--seed', '3', '--max-new-tokens', '8']
    const answered = z.object({ ids: z.array(z.number()), text: z.string().min(1) }).parse(await model(args))
    expect(await model(args)).toEqual(answered)
  })

  test('the precision is the option’s, else the environment’s', async () => {
    const logitsIn = async (args: string[], env: Record<string, string> = {}) =>
      z
        .object({ logits: z.array(z.array(z.number())) })
        .parse(await model(['logits', fixture, '--ids', '5,6,7', ...args], env))
        .logits.flat()
    const exact = await logitsIn([])
    const half = await logitsIn(['--precision', 'float16'])
    expect(await logitsIn([], { ATTUNE_PRECISION: 'float16' })).toEqual(half)
    expect(await logitsIn(['--precision', 'float32'], { ATTUNE_PRECISION: 'float16' })).toEqual(exact)
    const apart = Math.max(...half.map((x, i) => Math.abs(x - (exact[i] ?? NaN))))
    expect(apart).toBeGreaterThan(0)
    expect(apart).toBeLessThan(1e-2)
  })

  test('a command that cannot be done prints nothing on its standard output and ends with a code', async () => {
    const failure = await model(['logits', fixture]).catch((error: unknown) => error)
    expect(failure).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/logits needs --ids[^]*npm run model/),
    })
  })

  test.each([
    ['there is no command nothing', ['nothing']],
    ['one model directory is needed, not 0', ['logits', '--ids', '5']],
    ['--ids is a list of token ids', ['logits', fixture, '--ids', '5,x']],
    ['--precision is one of float32, float16', ['logits', fixture, '--ids', '5', '--precision', 'bfloat16']],
    ['--engine is one of onnx, tfjs', ['logits', fixture, '--ids', '5', '--engine', 'torch']],
    ['--top-p is a number from 0 to 1', ['generate', fixture, '--ids', '5', '--top-p', '2']],
    ['--betas is two numbers', ['fit', fixture, '--ids-file', 'rows.json', '--out', 'x', '--betas', '0.9']],
    ['nowhere is neither a directory nor a repository such as owner/name', ['import', 'nowhere']],
    ['fit needs --ids-file and --out', ['fit', fixture, '--ids-file', 'none.json']],
  ])('what the command line lacks is said: %s', async (message, args) => {
    await expect(runCommand(args, around)).rejects.toThrow(message)
    await expect(runCommand(args, around)).rejects.toBeInstanceOf(Misuse)
  })

  test('what the model cannot do is said, naming file and row', async () => {
    await expect(runCommand(['logits', fixture, '--ids', '211'], around)).rejects.toThrow(
      '--ids holds 211, which is no token of 211',
    )
    const rows = join(scratch, 'bad-rows.json')
    await writeFile(rows, '[[1, 2], [3, 300]]')
    await expect(runCommand(['fit', fixture, '--ids-file', rows, '--out', scratch], around)).rejects.toThrow(
      'bad-rows.json: row 1 holds 300, which is no token of 211',
    )
    await writeFile(rows, '[[1]]')
    await expect(runCommand(['fit', fixture, '--ids-file', rows, '--out', scratch], around)).rejects.toThrow(
      /bad-rows\.json: [^]*a row needs two tokens/,
    )
  })
})

const around = {
  modelsPath: fixture,
  compute: { engine: 'onnx', device: 'cpu' },
  hub: { url: 'http://localhost', token: undefined },
  maxModelBytes: 1,
  say: () => {},
} as const
