import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readFileSync } from 'node:fs'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { readChatTemplate } from '../../lm/text/chat.ts'
import { readGeneration } from '../../lm/files/generation-config.ts'
import { openPromptTokenizer } from '../../lm/text/prompt-tokenizer.ts'

// See test/fixtures/README.md: what transformers writes.
const golden = z
  .array(
    z.object({
      name: z.string(),
      template: z.string(),
      generationPrompt: z.boolean(),
      text: z.string(),
      messages: z.array(z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() })),
    }),
  )
  .parse(JSON.parse(readFileSync(new URL('../fixtures/chat.json', import.meta.url), 'utf8')))
const demo = fileURLToPath(new URL('../../models/demo', import.meta.url))

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'chat-'))
})
afterAll(() => rm(directory, { recursive: true }))
const configure = (config: object) => writeFile(join(directory, 'tokenizer_config.json'), JSON.stringify(config))

describe('a chat template', () => {
  test.each(golden)(
    '$name writes what transformers writes, generation prompt: $generationPrompt',
    async ({ template, messages, generationPrompt, text }) => {
      await configure({ chat_template: template, bos_token: '<s>', eos_token: { content: '</s>' } })
      const chat = await readChatTemplate(directory)
      expect(chat?.(messages, { generationPrompt })).toBe(text)
    },
  )

  test('of several, the default one is taken; a file of its own counts more; a model may have none', async () => {
    const render = async () => (await readChatTemplate(directory))?.([], { generationPrompt: false })
    await configure({
      chat_template: [
        { name: 'tools', template: 'tools' },
        { name: 'default', template: 'default' },
      ],
    })
    expect(await render()).toBe('default')
    await writeFile(join(directory, 'chat_template.jinja'), 'file')
    expect(await render()).toBe('file')
    await rm(join(directory, 'chat_template.jinja'))
    await configure({})
    expect(await readChatTemplate(directory)).toBeNull()
  })

  test('a malformed template, and one that refuses a conversation, are errors that name the file', async () => {
    await configure({ chat_template: '{% if %}' })
    await expect(readChatTemplate(directory)).rejects.toThrow('tokenizer_config.json: its chat template fails')
    await configure({ chat_template: '{{ raise_exception("no conversation") }}' })
    const chat = await readChatTemplate(directory)
    expect(() => chat?.([], { generationPrompt: true })).toThrow(
      'tokenizer_config.json: its chat template fails: no conversation',
    )
  })
})

describe('asking a model', () => {
  const open = async (change: object) => {
    await cp(join(demo, 'tokenizer.json'), join(directory, 'tokenizer.json'))
    await configure({ tokenizer_class: 'GPT2Tokenizer', eos_token: '<|endoftext|>', ...change })
    return openPromptTokenizer(directory)
  }

  test('without a template it goes on from the prompt, and an answer ends with the end token', async () => {
    const plain = await open({})
    expect(plain.decodeResponse(plain.encodePrompt(' Hello '))).toBe('Hello')
    expect(plain.encodeResponse('you').at(-1)).toBe(0)
    expect(plain.decodeResponse(plain.encodeResponse('you'))).toBe('you')
  })

  test('a NUL, which a model of bytes may say and no database keeps, is U+FFFD in an answer, streamed or whole', async () => {
    const plain = await open({})
    const ids = plain.encodeResponse('a\0b')
    expect(plain.decodeResponse(ids)).toBe('a\uFFFDb')
    const stream = plain.increments()
    expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe('a\uFFFDb')
  })

  test('an answer is written as the template writes it, up to the first end token', async () => {
    const lined = await open({
      chat_template:
        "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}<|endoftext|>!{% else %} >{% endif %}{% endfor %}",
    })
    expect(lined.decodeResponse(lined.encodePrompt('a b'))).toBe('a b >')
    expect(lined.decodeResponse(lined.encodeResponse('c'))).toBe('c')
    expect(lined.encodeResponse('c').filter((id) => id === 0)).toHaveLength(1)
    expect(lined.encodeResponse('c').at(-1)).toBe(0)
  })

  test('an answer that the template writes differently from how it asks for it is taken bare', async () => {
    const thinking = await open({
      chat_template:
        '{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}<think>{% endif %}',
    })
    const ids = thinking.encodeResponse('c')
    expect(thinking.decodeResponse(ids)).toBe('c')
    expect(ids.at(-1)).toBe(0)
  })
})

describe('a generation configuration', () => {
  test('says how to sample; what it leaves out hinders nothing', async () => {
    expect(await readGeneration(demo)).toEqual({
      sample: true,
      temperature: 0.7,
      topK: 0,
      topP: 1,
      repetitionPenalty: 1,
      maxNewTokens: 72,
      eosTokens: [0],
    })
    expect(await readGeneration(directory)).toEqual({
      sample: false,
      temperature: 1,
      topK: 0,
      topP: 1,
      repetitionPenalty: 1,
      maxNewTokens: null,
      eosTokens: null,
    })
  })

  test('a value out of range is refused, naming file and field', async () => {
    await writeFile(join(directory, 'generation_config.json'), JSON.stringify({ top_p: 1.5, eos_token_id: [1, 2] }))
    await expect(readGeneration(directory)).rejects.toThrow(/generation_config\.json: [^]*top_p/)
  })
})
