/**
 * What a run has made of its model, as a model of its own: read from a checkpoint and the base model, one tensor at a
 * time, so that neither is ever held whole and no engine is needed.
 */
import { join } from 'node:path'
import type { TrainingConfig } from '../server/protocol.ts'
import { checkpointFile, LEARNER_STATES } from './checkpoint.ts'
import { learnerConfig } from './configuration.ts'
import type { StateReader } from './engines/engine.ts'
import { writeAdapters } from './models/adapter-directory.ts'
import { copyCompanions, readModel, writeHeldModel } from './models/directory.ts'
import { toHeld } from './models/held.ts'
import { openSafetensors } from './models/safetensors-file.ts'
import { heldPolicy, POLICY, REFERENCE } from './rl/policy.ts'

export interface LearntFrom {
  /** The run's checkpoints, and the hash of the one that is wanted. */
  checkpoints: string
  hash: string
  config: TrainingConfig
  /** The model that the run began on: its directory, and how others find it. */
  baseDir: string
  baseName: string
}

/**
 * Writes the policy, adapters merged into it, with the base's tokenizer and prompts, as a directory that transformers
 * reads. Adapters stand in `adapters/` besides, as PEFT reads them.
 *
 * @throws Error with code ENOENT where the checkpoint has been pruned
 */
export async function writeLearntModel(directory: string, { checkpoints, hash, config, baseDir, baseName }: LearntFrom): Promise<void> {
  const base = await readModel(baseDir)
  const { lora } = learnerConfig(config)
  const { model } = heldPolicy(base.architecture, { valueHead: false, lora })
  const saved = await openSafetensors(checkpointFile(checkpoints, hash))
  const states: StateReader = {
    async get(name) {
      const ofBase = name.startsWith(REFERENCE)
      const own = name.slice((ofBase ? REFERENCE : POLICY).length)
      const stored = ofBase ? base.weights.get(own) : saved.float32(LEARNER_STATES + name)
      if (!stored) throw new Error(`the base model has no weight ${own}`)
      return base.architecture.parameters.has(own) ? toHeld(base.architecture, own, stored.data) : stored.data
    },
  }
  await writeHeldModel(directory, states, model)
  await copyCompanions(baseDir, directory)
  if (lora) await writeAdapters(join(directory, 'adapters'), states, model, lora, baseName)
}
