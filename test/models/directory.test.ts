import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { cp, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { copyCompanions, readModel, writeModel } from '../../lm/files/directory.ts'
import { toHalf } from '../../lm/files/half.ts'
import { openSafetensors } from '../../lm/files/safetensors-file.ts'
import { encodeSafetensors, type NamedTensor } from '../../lm/files/safetensors.ts'

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))
let scratch: string
let directory: string
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'directory-'))
})
afterAll(() => rm(scratch, { recursive: true }))
/** A fresh copy of a tiny Llama. */
beforeEach(async () => {
  directory = await mkdtemp(join(scratch, 'model-'))
  for (const name of ['config.json', 'model.safetensors', 'generation_config.json'])
    await cp(join(fixture('llama-tiny'), name), join(directory, name))
})

const weights = (): string => join(directory, 'model.safetensors')
/** All tensors, to be changed and written back. */
async function tensors(): Promise<Map<string, NamedTensor>> {
  const file = await openSafetensors(weights())
  return new Map(file.names.map((name) => [name, file.float32(name)]))
}
async function store(path: string, changed: ReadonlyMap<string, NamedTensor>): Promise<void> {
  await writeFile(path, encodeSafetensors(path, changed))
}
async function changeConfig(change: object): Promise<void> {
  const path = join(directory, 'config.json')
  await writeFile(path, JSON.stringify({ ...(JSON.parse(await readFile(path, 'utf8')) as object), ...change }))
}
/** Cuts the weights into two files and an index. */
async function shard(): Promise<void> {
  const all = [...(await tensors())]
  const parts = [all.slice(0, 9), all.slice(9)]
  const name = (i: number): string => `model-0000${i + 1}-of-00002.safetensors`
  for (const [i, part] of parts.entries()) await store(join(directory, name(i)), new Map(part))
  const map = Object.fromEntries(parts.flatMap((part, i) => part.map(([tensor]) => [tensor, name(i)])))
  await writeFile(
    join(directory, 'model.safetensors.index.json'),
    JSON.stringify({ metadata: { total_size: 1 }, weight_map: map }),
  )
  await rm(weights())
}

describe('a model directory', () => {
  test.each(['gpt2-tiny', 'llama-tiny', 'qwen2-tiny'])('%s is read, written and read again the same', async (name) => {
    const model = await readModel(fixture(name))
    const copy = join(directory, 'copy')
    await writeModel(copy, model)
    const again = await readModel(copy)
    expect([...again.weights.keys()]).toEqual([...model.weights.keys()])
    for (const weight of model.weights.keys()) expect(again.weights.get(weight)).toEqual(model.weights.get(weight))
    expect(again.architecture.config).toEqual(model.architecture.config)
    expect((await readdir(copy)).sort()).toEqual(['config.json', 'model.safetensors'])
  })

  test('a model in several files is the model in one', async () => {
    const whole = await readModel(directory)
    const values = new Map([...whole.weights.keys()].map((name) => [name, whole.weights.get(name)]))
    await shard()
    const { weights: parts } = await readModel(directory)
    expect(parts.paths).toHaveLength(2)
    for (const [name, tensor] of values) expect(parts.get(name)).toEqual(tensor)
  })

  test('a checkpoint without a head, whose names lack their first part, is read', async () => {
    const headless = fixture('gpt2-tiny')
    await cp(join(headless, 'config.json'), join(directory, 'config.json'))
    const file = await openSafetensors(join(headless, 'model.safetensors'))
    const bare = new Map<string, NamedTensor>(
      file.names.map((name) => [name.replace('transformer.', ''), file.float32(name)]),
    )
    // OpenAI's own file holds the causal masks, too.
    await store(weights(), bare.set('h.0.attn.bias', { shape: [1], data: Float32Array.of(1) }))
    const model = await readModel(directory)
    expect(model.weights.get('transformer.wte.weight')).toEqual(file.float32('transformer.wte.weight'))
  })

  test('half-precision weights are written as such, and the configuration says so', async () => {
    const model = await readModel(directory)
    const copy = join(directory, 'half')
    await writeModel(copy, model, 'F16')
    const again = await readModel(copy)
    expect(again.weights.dtypes).toEqual(['F16'])
    expect(again.architecture.config.dtype).toBe('float16')
    const name = 'model.layers.0.mlp.up_proj.weight'
    expect(toHalf(again.weights.get(name)?.data ?? new Float32Array())).toEqual(
      toHalf(model.weights.get(name)?.data ?? new Float32Array(1)),
    )
  })

  test('what stands beside the weights is copied with a model, pickles and half-written files are not', async () => {
    const copy = join(directory, 'companions')
    await writeFile(join(directory, 'tokenizer.json'), '{}')
    await writeFile(join(directory, 'pytorch_model.bin'), '')
    await writeFile(join(directory, 'x.tmp'), '')
    await copyCompanions(directory, copy)
    expect((await readdir(copy)).sort()).toEqual(['generation_config.json', 'tokenizer.json'])
  })
})

describe('a directory that is not a whole model is refused, naming file and tensor', () => {
  test.each([
    [
      'an unknown architecture',
      { model_type: 'mamba' },
      'config.json: model_type "mamba" is not supported; it must be one of gpt2, llama, mistral, qwen2, qwen3, smollm3',
    ],
    ['no architecture', { model_type: undefined }, 'config.json: model_type undefined is not supported'],
    [
      'an activation that the graph has not',
      { hidden_act: 'gelu' },
      /config\.json is not a supported llama model[^]*hidden_act/,
    ],
    [
      'a size that is missing',
      { hidden_size: undefined },
      /config\.json is not a supported llama model[^]*hidden_size/,
    ],
    [
      'key heads that do not divide',
      { num_key_value_heads: 3 },
      /does not divide num_attention_heads[^]*num_key_value_heads/,
    ],
    [
      'an unknown rotary embedding',
      { rope_parameters: { rope_type: 'longrope', rope_theta: 1e4 } },
      /rope_parameters\.rope_type/,
    ],
    [
      'a rotary embedding without its factor',
      { rope_parameters: null, rope_scaling: { type: 'linear' } },
      /rope_scaling\.factor/,
    ],
    [
      'a partial rotary embedding',
      { rope_parameters: { rope_type: 'default', rope_theta: 1e4, partial_rotary_factor: 0.5 } },
      /rope_parameters\.partial_rotary_factor/,
    ],
    ['quantised weights', { quantization_config: { bits: 4 } }, /quantization_config/],
    [
      'another shape',
      { vocab_size: 212 },
      'model.safetensors: tensor model.embed_tokens.weight is [211,48], the configuration says [212,48]',
    ],
  ])('%s', async (_, change, message) => {
    await changeConfig(change)
    await expect(readModel(directory)).rejects.toThrow(message)
  })

  test('a missing tensor', async () => {
    const kept = await tensors()
    kept.delete('model.layers.1.mlp.up_proj.weight')
    await store(weights(), kept)
    await expect(readModel(directory)).rejects.toThrow('model.safetensors: no tensor model.layers.1.mlp.up_proj.weight')
  })

  test('a tensor that the configuration knows nothing of', async () => {
    await store(
      weights(),
      (await tensors()).set('model.layers.0.self_attn.q_proj.bias', { shape: [48], data: new Float32Array(48) }),
    )
    await expect(readModel(directory)).rejects.toThrow(
      "model.safetensors: tensor model.layers.0.self_attn.q_proj.bias is not one of this model's parameters",
    )
  })

  test('weights that are integers', async () => {
    await store(weights(), (await tensors()).set('model.norm.weight', { shape: [48], data: new Int32Array(48) }))
    await expect(readModel(directory)).rejects.toThrow(
      'model.safetensors: tensor model.norm.weight is I32; only F32, F16 and BF16 weights are read',
    )
  })

  test('a file that is cut short', async () => {
    await truncate(weights(), 300_000)
    await expect(readModel(directory)).rejects.toThrow(
      /model\.safetensors: tensor model\.\S+ ends at byte \d+ of \d+: the file is truncated/,
    )
  })

  test('a pickle, even beside nothing else', async () => {
    await rename(weights(), join(directory, 'pytorch_model.bin'))
    await expect(readModel(directory)).rejects.toThrow(
      /pytorch_model\.bin is a pickle, which can run code.*save the model as safetensors/,
    )
  })

  test('no weights at all', async () => {
    await rm(weights())
    await expect(readModel(directory)).rejects.toThrow('has neither model.safetensors nor model.safetensors.index.json')
  })

  test('an index whose file is missing, lacks a tensor or lies elsewhere', async () => {
    await shard()
    const [, second = ''] = (await readdir(directory)).filter((name) => name.endsWith('.safetensors')).sort()
    const path = join(directory, 'model.safetensors.index.json')
    const text = await readFile(path, 'utf8')
    await writeFile(path, text.replace(second, '../elsewhere.safetensors'))
    await expect(readModel(directory)).rejects.toThrow(/index\.json: [^]*in the same directory/)
    await writeFile(path, text.replace(second, 'model-00001-of-00002.safetensors'))
    await expect(readModel(directory)).rejects.toThrow(
      /model-00001-of-00002\.safetensors: no tensor .*, which model\.safetensors\.index\.json says it holds/,
    )
    await writeFile(path, text)
    await rm(join(directory, second))
    await expect(readModel(directory)).rejects.toThrow('ENOENT')
  })
})
