import { loadWeights, readModel } from '../../lm/files/directory.ts'
import { readGeneration, type Generation } from '../../lm/files/generation-config.ts'
import { openSampler } from '../../lm/sampling/sampler.ts'
import { openPromptTokenizer, type PromptTokenizer } from '../../lm/text/prompt-tokenizer.ts'
import { command } from '../cli/command.ts'
import { flag, Misuse, number, parsed, text, whole } from '../cli/options.ts'
import { engineOptions, idsOf, modelDirectory, withEngine, type ModelCommand } from './surroundings.ts'

/** New tokens if neither the command line nor the model sets a number. */
const usualLength = 64

/** The given ids and their continuation; for a text, also the continuation's text. */
export const generate: ModelCommand = (around) =>
  command({
    name: 'generate',
    summary: 'continues token ids, or answers a text',
    detail:
      'Gives {"ids": [… those given, then the new ones]}, and of a text its answer as "text". What is not given is as the model’s generation_config.json says.',
    takes: modelDirectory,
    options: {
      ...engineOptions,
      ids: parsed('IDS', 'token ids such as 5,6,7; this or --prompt', idsOf).optional(),
      prompt: text('TEXT', 'a question, asked by the model’s chat template').optional(),
      maxNewTokens: whole('TOKENS', 'at most so many new ones; else the model’s, or 64', { least: 1 }).optional(),
      temperature: number('T', '0 takes the likeliest token', { least: 0 }).optional(),
      topK: whole('K', 'only the K likeliest tokens; 0 for all', { least: 0 }).optional(),
      topP: number('P', 'only the likeliest tokens of together P', { least: 0, most: 1 }).optional(),
      repetitionPenalty: number('FACTOR', 'divides the odds of what was said', { least: 1e-3 }).optional(),
      seed: whole('SEED', 'of the sampling', { least: 0, most: 2 ** 32 - 1 }).or(1),
      greedy: flag('the likeliest token each time'),
      ignoreEos: flag('goes on after the end token'),
    },
    async run({ ids, prompt: asked, seed, ignoreEos, ...values }, [directory]) {
      if ((ids === undefined) === (asked === undefined)) throw new Misuse('generate needs --ids or --prompt')
      const given = await readGeneration(directory)
      const model = await readModel(directory)
      const tokenizer = asked === undefined ? null : await openPromptTokenizer(directory)
      const prompt = asked !== undefined && tokenizer ? tokenizer.encodePrompt(asked) : (ids ?? [])
      return withEngine(around(), values, async (engine) => {
        loadWeights(engine.states, model)
        const sampler = openSampler(engine, model)
        const [sample] = await sampler.sample({
          prompts: [prompt],
          seeds: [seed],
          ...choiceOf(values, given),
          stopTokens: ignoreEos ? [] : model.architecture.eosTokens,
        })
        if (!sample) throw new Error('one prompt gives one sample')
        return { ids: [...prompt, ...sample.tokens], ...answer(tokenizer, sample.tokens) }
      })
    },
  })

type Given = { greedy: boolean } & {
  [K in 'maxNewTokens' | 'temperature' | 'topK' | 'topP' | 'repetitionPenalty']?: number | undefined
}

function choiceOf(values: Given, model: Generation) {
  const greedy = values.greedy || (!model.sample && values.temperature === undefined)
  return {
    maxNewTokens: values.maxNewTokens ?? model.maxNewTokens ?? usualLength,
    temperature: greedy ? 0 : (values.temperature ?? model.temperature),
    topK: values.topK ?? model.topK,
    topP: values.topP ?? model.topP,
    repetitionPenalty: values.repetitionPenalty ?? model.repetitionPenalty,
  }
}

function answer(tokenizer: PromptTokenizer | null, tokens: Int32Array): { text?: string } {
  return tokenizer ? { text: tokenizer.decodeResponse(tokens) } : {}
}
