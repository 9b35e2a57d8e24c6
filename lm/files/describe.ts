/** A summary of a model directory. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { sizeOf } from '../graph/index.ts'
import { readModel } from './directory.ts'
import { readGeneration, type Generation } from './generation-config.ts'
import { PROMPTS_FILE, readPromptFile } from './prompt-file.ts'
import { promptTokenizer } from '../text/prompt-tokenizer.ts'
import { readChatTemplate } from '../text/chat.ts'
import { readTokenizer } from '../text/tokenizer.ts'

export interface ModelDescription {
  /** `model_type` of its configuration. */
  family: string
  /** Number of parameters. */
  parameters: number
  vocabulary: number
  /** Longest sequence, tokens. */
  context: number
  width: number
  layers: number
  keyValueHeads: number
  headDepth: number
  /** Shortest attention window of any layer, tokens; null where none has one. */
  slidingWindow: number | null
  eosTokens: readonly number[]
  /** How the weights are stored, e.g. `BF16`. */
  dtypes: readonly string[]
  /** Null for a model without `tokenizer.json`. */
  tokenizer: { vocabulary: number; eosToken: number | null; chatTemplate: boolean } | null
  generation: Generation
  /** Training prompts; 0 if there are none. */
  prompts: number
  /** Of every file in the directory. */
  bytes: Record<string, number>
}

/**
 * Checks everything but the weights' values; throws, naming file and field or tensor, where the directory is not a
 * complete model.
 */
export async function describeModel(directory: string): Promise<ModelDescription> {
  const { architecture, weights } = await readModel(directory)
  const files = (await readdir(directory, { withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .sort()
  const { vocabSize, context, width, layers, keyValueHeads, headDepth, eosTokens, config } = architecture
  const windows = Array.from({ length: layers }, (_, layer) => architecture.slidingWindow(layer) ?? Infinity)
  const shortest = windows.reduce((least, window) => Math.min(least, window), Infinity)
  return {
    family: String(config.model_type),
    parameters: [...architecture.parameters.values()].reduce((sum, shape) => sum + sizeOf(shape), 0),
    vocabulary: vocabSize,
    context,
    width,
    layers,
    keyValueHeads,
    headDepth,
    slidingWindow: shortest === Infinity ? null : shortest,
    eosTokens,
    dtypes: weights.dtypes,
    tokenizer: files.includes('tokenizer.json') ? await describeTokenizer(directory, vocabSize, eosTokens) : null,
    generation: await readGeneration(directory),
    prompts: files.includes(PROMPTS_FILE) ? (await readPromptFile(directory)).length : 0,
    bytes: Object.fromEntries(
      await Promise.all(files.map(async (name) => [name, (await stat(join(directory, name))).size] as const)),
    ),
  }
}

async function describeTokenizer(
  directory: string,
  vocabSize: number,
  endTokens: readonly number[],
): Promise<ModelDescription['tokenizer']> {
  const tokenizer = await readTokenizer(directory)
  const { vocabSize: vocabulary, eosToken } = tokenizer
  if (vocabulary > vocabSize)
    throw new Error(
      `${join(directory, 'tokenizer.json')}: its ids go up to ${vocabulary - 1}, and the model has ${vocabSize} embeddings (vocab_size)`,
    )
  const chat = await readChatTemplate(directory)
  // A template or a pattern that never terminates fails here, not in the middle of a run.
  const asked = promptTokenizer(tokenizer, chat, new Set(endTokens))
  asked.decodeResponse(asked.encodePrompt(probe))
  asked.decodeResponse(asked.encodeResponse(probe))
  return { vocabulary, eosToken, chatTemplate: chat !== null }
}

/** Test input for a tokenizer: words, digits, spaces, and more than one alphabet. */
const probe = 'How are you?  I slept 7 hours, naïvely… 你好, привет!\n\n'
