/**
 * Exports a run's trained policy as a model: read from a checkpoint and the base model, one tensor at a time, so that
 * neither is ever in memory as a whole and no engine is needed.
 */
import { join } from 'node:path'
import type { TrainingConfig } from '../../core/protocol/index.ts'
import { checkpointFile, LEARNER_STATES } from './checkpoint.ts'
import { learnerConfig } from './configuration.ts'
import type { StateReader } from '../../lm/engines/engine.ts'
import { writeAdapters } from '../../lm/files/adapter-directory.ts'
import { copyCompanions, readModel, writeHeldModel } from '../../lm/files/directory.ts'
import { openSafetensors } from '../../lm/files/safetensors-file.ts'
import { heldPolicy, REFERENCE } from '../rl/policy.ts'
import { asHeld } from '../rl/state.ts'

export interface LearntFrom {
  /** The run's checkpoints, and the hash of the requested one. */
  checkpoints: string
  hash: string
  config: TrainingConfig
  /** The model that the run started from: its directory, and its public name. */
  baseDir: string
  baseName: string
}

/**
 * Writes the policy, adapters merged into it, with the base's tokenizer and prompts, as a directory that transformers
 * reads. Adapters are also written to `adapters/`, in PEFT's format.
 *
 * @throws Error with code ENOENT if the checkpoint has been pruned
 */
export async function writeLearntModel(
  directory: string,
  { checkpoints, hash, config, baseDir, baseName }: LearntFrom,
): Promise<void> {
  const base = await readModel(baseDir)
  const { lora } = learnerConfig(config)
  const policy = heldPolicy(base.architecture, { valueHead: false, lora })
  const saved = await openSafetensors(checkpointFile(checkpoints, hash))
  const states: StateReader = {
    async get(name) {
      const own = name.startsWith(REFERENCE)
        ? base.weights.get(name.slice(REFERENCE.length))
        : saved.float32(LEARNER_STATES + name)
      if (!own) throw new Error(`the base model has no weight ${name.slice(REFERENCE.length)}`)
      return asHeld(policy, name, own.data)
    },
  }
  await writeHeldModel(directory, states, policy.model)
  await copyCompanions(baseDir, directory)
  if (lora) await writeAdapters(join(directory, 'adapters'), states, policy.model, lora, baseName)
}
