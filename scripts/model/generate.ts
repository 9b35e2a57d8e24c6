import { loadWeights, readModel } from '../../lm/files/directory.ts'
import { readGeneration, type Generation } from '../../lm/files/generation-config.ts'
import { openSampler } from '../../lm/sampling/sampler.ts'
import { openPromptTokenizer, type PromptTokenizer } from '../../lm/text/prompt-tokenizer.ts'
import { engineOptions, idsOf, Misuse, numberOf, parse, withEngine, type Surroundings } from './arguments.ts'

const text = { type: 'string' } as const
const options = {
  ...engineOptions,
  ids: text,
  prompt: text,
  'max-new-tokens': text,
  temperature: text,
  'top-k': text,
  'top-p': text,
  'repetition-penalty': text,
  seed: text,
  greedy: { type: 'boolean', default: false },
  'ignore-eos': { type: 'boolean', default: false },
} as const

/** New tokens where neither the command line nor the model says how many. */
const usualLength = 64

/** The given ids and a continuation of them; of a text, also the continuation's text. */
export async function generate(
  args: readonly string[],
  around: Surroundings,
): Promise<{ ids: number[]; text?: string }> {
  const { values, positional: directory } = parse(args, options, 'model directory')
  if ((values.ids === undefined) === (values.prompt === undefined)) throw new Misuse('generate needs --ids or --prompt')
  const given = await readGeneration(directory)
  const model = await readModel(directory)
  const tokenizer = values.prompt === undefined ? null : await openPromptTokenizer(directory)
  const prompt =
    values.prompt !== undefined && tokenizer ? tokenizer.encodePrompt(values.prompt) : idsOf('--ids', values.ids ?? '')
  return withEngine(around, values, async (engine) => {
    loadWeights(engine.states, model)
    const sampler = openSampler(engine, model)
    const [sample] = await sampler.sample({
      prompts: [prompt],
      seeds: [numberOf('--seed', values.seed ?? '1', { least: 0, most: 2 ** 32 - 1, whole: true })],
      ...choiceOf(values, given),
      stopTokens: values['ignore-eos'] ? [] : model.architecture.eosTokens,
    })
    if (!sample) throw new Error('one prompt gives one sample')
    return { ids: [...prompt, ...sample.tokens], ...answer(tokenizer, sample.tokens) }
  })
}

function choiceOf(
  values: { greedy: boolean } & {
    [K in 'max-new-tokens' | 'temperature' | 'top-k' | 'top-p' | 'repetition-penalty']?: string
  },
  given: Generation,
) {
  const number = (
    name: Exclude<keyof typeof values, 'greedy' | 'max-new-tokens'>,
    otherwise: number,
    range: Parameters<typeof numberOf>[2],
  ): number => (values[name] === undefined ? otherwise : numberOf(`--${name}`, values[name], range))
  const length = values['max-new-tokens']
  const greedy = values.greedy || (!given.sample && values.temperature === undefined)
  return {
    maxNewTokens:
      length === undefined
        ? (given.maxNewTokens ?? usualLength)
        : numberOf('--max-new-tokens', length, { least: 1, whole: true }),
    temperature: greedy ? 0 : number('temperature', given.temperature, { least: 0 }),
    topK: number('top-k', given.topK, { least: 0, whole: true }),
    topP: number('top-p', given.topP, { least: 0, most: 1 }),
    repetitionPenalty: number('repetition-penalty', given.repetitionPenalty, { least: 1e-3 }),
  }
}

function answer(tokenizer: PromptTokenizer | null, tokens: Int32Array): { text?: string } {
  return tokenizer ? { text: tokenizer.decodeResponse(tokens) } : {}
}
