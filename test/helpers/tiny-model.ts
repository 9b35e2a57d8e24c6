import { TrainingConfig } from '../../core/protocol/index.ts'
import { copyCompanions, writeModel } from '../../lm/files/directory.ts'
import { gpt2 } from '../../lm/architectures/gpt2.ts'
import { llama } from '../../lm/architectures/llama.ts'
import { llamaConfig } from '../../lm/architectures/llama-config.ts'
import { initialModel } from '../../lm/architectures/init.ts'

/**
 * Writes a model that is small enough to be trained dozens of times in a test: the demo's tokenizer and prompts, random
 * weights.
 */
export async function writeTinyModel(directory: string, family: keyof typeof tiny = 'gpt2'): Promise<void> {
  await writeModel(directory, initialModel(tiny[family](), 1))
  await copyCompanions('models/demo', directory)
}

const tiny = {
  gpt2: () =>
    gpt2({
      vocabSize: 1280,
      context: 128,
      width: 16,
      layers: 2,
      heads: 2,
      inner: 32,
      epsilon: 1e-5,
      bosToken: 0,
      eosToken: 0,
      padToken: 0,
    }),
  llama() {
    const json = {
      model_type: 'llama',
      vocab_size: 1280,
      max_position_embeddings: 128,
      hidden_size: 16,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      intermediate_size: 32,
      tie_word_embeddings: true,
      eos_token_id: 0,
    }
    return llama(llamaConfig('llama', json), json)
  },
}

/** A run of it: three steps of four answers, all shown and watched. */
export const tinyRun: TrainingConfig = TrainingConfig.parse({
  batchSize: 8,
  epochs: 5,
  learningRate: 1e-2,
  ppoConfig: { miniBatchSize: 4, ppoEpochs: 2 },
  live: { shownPerStep: 4, minVotes: 2, maxNewTokens: 6, seed: 5 },
  rewardHacking: { minVotes: 1, allowedGap: 0, allowedLengthDrift: 0 },
})
