import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isolated } from '../../lm/isolated/isolated.ts'
import { importModel } from '../../lm/files/import.ts'
import { fileLimits } from '../../lm/files/limits.ts'
import { openPromptTokenizer } from '../../lm/text/prompt-tokenizer.ts'
import { readModel } from '../../lm/files/directory.ts'
import { writeTinyModel } from '../helpers/tiny-model.ts'

const fixture = fileURLToPath(new URL('../fixtures/llama-tiny', import.meta.url))
let modelsPath: string
let from: string
beforeEach(async () => {
  modelsPath = await mkdtemp(join(tmpdir(), 'hostile-'))
  from = join(modelsPath, 'given')
})
afterEach(() => rm(modelsPath, { recursive: true }))

const takeIn = () => importModel({ kind: 'directory', path: from }, { modelsPath, maxBytes: 2 ** 30, name: 'taken' })
const edit = async (file: string, change: (json: Record<string, unknown>) => object): Promise<void> => {
  const path = join(from, file)
  await writeFile(path, JSON.stringify(change(JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>)))
}

describe('a config.json that claims what is not stored is refused before anything is made of it', () => {
  const huge = [1e6, 1e9, 2 ** 53, -1, 0, 1.5, 'NaN', '1e9', null, [1e9], 1e308]
  const fields = {
    gpt2: ['n_layer', 'n_embd', 'n_head', 'n_positions', 'vocab_size'],
    llama: [
      'num_hidden_layers',
      'hidden_size',
      'num_attention_heads',
      'num_key_value_heads',
      'head_dim',
      'intermediate_size',
      'vocab_size',
    ],
  } as const
  test.each(Object.entries(fields).flatMap(([family, names]) => names.map((name) => [family, name] as const)))(
    '%s: %s',
    async (family, field) => {
      await writeTinyModel(from, family as 'gpt2' | 'llama')
      for (const value of huge.filter(
        (one) => one !== null || (field !== 'num_key_value_heads' && field !== 'head_dim'),
      )) {
        await edit('config.json', (json) => ({ ...json, [field]: value }))
        await expect(readModel(from), `${field} ${JSON.stringify(value)}`).rejects.toThrow(
          /config\.json|the configuration says/,
        )
      }
    },
  )

  test('n_layer is held against the tensors that the weights hold', async () => {
    await writeTinyModel(from)
    await edit('config.json', (json) => ({ ...json, n_layer: 1e6 }))
    await expect(takeIn()).rejects.toThrow(
      'config.json: n_layer is 1000000, and the weights hold 28 tensors in all; its configuration describes another model',
    )
  })

  test.each([
    ['a context of a billion tokens', { max_position_embeddings: 1e9 }],
    [
      'a context that rotations scale beyond all measure',
      { rope_parameters: { rope_type: 'dynamic', rope_theta: 10_000, factor: 1e12 } },
    ],
    ['a window of a trillion tokens', { sliding_window: 1e12 }],
    ['kinds of a million layers', { layer_types: new Array(60_000).fill('full_attention') }],
  ])('%s', async (_, more) => {
    await cp(fixture, from, { recursive: true })
    await edit('config.json', (json) => ({ ...json, ...more }))
    await expect(readModel(from)).rejects.toThrow(/config\.json/)
  })
})

describe('no file is read beyond its bound', () => {
  test.each([
    ['config.json', fileLimits.configuration],
    ['generation_config.json', fileLimits.configuration],
    ['tokenizer_config.json', fileLimits.tokenizerConfig],
    ['tokenizer.json', fileLimits.tokenizer],
    ['chat_template.jinja', fileLimits.configuration],
  ])('%s', async (name, most) => {
    await writeTinyModel(from)
    await writeFile(join(from, name), '{}')
    await truncate(join(from, name), most + 1)
    await expect(takeIn()).rejects.toThrow(`${name} has ${most + 1} bytes; at most ${most} are allowed for such a file`)
  })

  test('a header of safetensors', async () => {
    await writeTinyModel(from)
    const claimed = new Uint8Array(8)
    new DataView(claimed.buffer).setBigUint64(0, BigInt(fileLimits.header + 1), true)
    await writeFile(join(from, 'model.safetensors'), claimed)
    await truncate(join(from, 'model.safetensors'), fileLimits.header + 100)
    await expect(takeIn()).rejects.toThrow(
      `its header claims ${fileLimits.header + 1} bytes; at most ${fileLimits.header} are allowed`,
    )
  })

  test('nesting', async () => {
    await writeTinyModel(from)
    await writeFile(join(from, 'config.json'), `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`)
    await expect(takeIn()).rejects.toThrow(`are nested more than ${fileLimits.nesting} deep`)
  })

  test('a million mistakes are told in a few lines', async () => {
    await cp(fixture, from, { recursive: true })
    await edit('config.json', (json) => ({ ...json, no_rope_layers: new Array(100_000).fill(7) }))
    const message = await takeIn().then(
      () => '',
      (error: Error) => error.message,
    )
    expect(message).toMatch(/and \d+ more/)
    expect(message.length).toBeLessThan(1_100)
  })
})

describe('what never ends is stopped', () => {
  const template = async (text: string): Promise<void> => {
    await writeTinyModel(from)
    await edit('tokenizer_config.json', (json) => ({ ...json, chat_template: text }))
  }
  test('a chat template that loops', async () => {
    await template('{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}')
    await expect(takeIn()).rejects.toThrow(/tokenizer_config\.json: its chat template fails: .*was stopped/)
  })
  test('a chat template that doubles what it writes', async () => {
    await template(`{% set x = 'x' %}${'{% set x = x ~ x %}'.repeat(24)}{{ x }}`)
    await expect(takeIn()).rejects.toThrow(/its chat template fails: it renders \d+ characters/)
  })
  test('a chat template that doubles a list until the memory is full, in a thread of its own', async () => {
    await template(`{% set x = [1, 2] %}${'{% set x = x + x %}'.repeat(40)}`)
    await expect(isolated('describe', { directory: from }, { megabytes: 200 })).rejects.toThrow(
      /with 200 MiB of memory|its chat template fails/,
    )
  })
  test('a pattern that backtracks without end', async () => {
    await writeTinyModel(from)
    await edit('tokenizer.json', (json) => ({
      ...json,
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: '(?:[^\\n]+)+\\n\\n\\n\\n' }, behavior: 'Isolated', invert: false },
          json.pre_tokenizer,
        ],
      },
    }))
    await expect(takeIn()).rejects.toThrow('tokenizing a text took longer than 10 s and was stopped')
    // Nor does it hold up a run, whose process reads the model by itself.
    await expect(
      openPromptTokenizer(from).then(({ encodePrompt }) => encodePrompt(`${'a'.repeat(60)}!`)),
    ).rejects.toThrow('was stopped')
  })
  test('work beyond its time, in a thread of its own', async () => {
    await template('{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}')
    await expect(isolated('describe', { directory: from }, { seconds: 2 })).rejects.toThrow(
      'could not be read within 2 s',
    )
  })
})
