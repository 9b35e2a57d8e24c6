/** Answers sampled from a model, and the oracle's judgement of them. */
import type { Tokenizer } from '@huggingface/tokenizers'
import { mean, populationDeviation } from '../../core/statistics.ts'
import type { Engine } from '../../lm/engines/engine.ts'
import type { HeldModel } from '../../lm/architectures/architecture.ts'
import { openSampler } from '../../lm/sampling/sampler.ts'
import { promptText } from './format.ts'
import { MAX_ANSWER_TOKENS } from './model-files.ts'
import { rate, type OracleRating } from './oracle.ts'

const BATCH = 32

export type Answer = { prompt: string; text: string; rating: OracleRating }
export type AnswerOptions = {
  engine: Engine
  model: HeldModel
  tokenizer: Tokenizer
  temperature: number
  seed: number
}

/** One answer for each prompt. */
export async function answers(prompts: readonly string[], options: AnswerOptions): Promise<Answer[]> {
  const { engine, model, tokenizer, temperature, seed } = options
  const { eosTokens } = model.architecture
  const sampler = openSampler(engine, model)
  const out: Answer[] = []
  for (let at = 0; at < prompts.length; at += BATCH) {
    const batch = prompts.slice(at, at + BATCH)
    const samples = await sampler.sample({
      prompts: batch.map((prompt) => tokenizer.encode(promptText(prompt)).ids),
      seeds: batch.map((_, i) => seed * 1_000_003 + at + i),
      maxNewTokens: MAX_ANSWER_TOKENS,
      temperature,
      stopTokens: eosTokens,
    })
    for (const [i, prompt] of batch.entries()) {
      const tokens = [...(samples[i]?.tokens ?? [])].filter((token) => !eosTokens.includes(token))
      const text = tokens.length === 0 ? '' : tokenizer.decode(tokens).trim()
      out.push({ prompt, text, rating: rate(prompt, text) })
    }
  }
  await sampler.close()
  return out
}

/** Means over answers; compassion's standard deviation and its counts in five equal bins from 0 to 1. */
export type AnswerStatistics = {
  count: number
  compassion: number
  compassionDeviation: number
  compassionBins: number[]
  usefulness: number
  readable: number
}

export function statistics(given: readonly Answer[]): AnswerStatistics {
  const tones = given.map(({ rating }) => rating.compassion)
  return {
    count: given.length,
    compassion: mean(tones),
    compassionDeviation: populationDeviation(tones),
    compassionBins: [0, 1, 2, 3, 4].map(
      (bin) => tones.filter((tone) => Math.min(4, Math.floor(tone * 5)) === bin).length,
    ),
    usefulness: mean(given.map(({ rating }) => rating.usefulness)),
    readable: mean(given.map(({ rating }) => (rating.readable ? 1 : 0))),
  }
}
