/** Models exported from runs. */
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { admit, openIncoming } from '../../lm/files/import.ts'
import { isModelFile } from '../../lm/files/model-files.ts'
import { writeLearntModel } from '../../trainer/loop/export.ts'
import type { Deps } from '../deps.ts'
import { findModel } from '../../core/db/models.ts'
import { newestCheckpoint } from '../../core/db/sessions.ts'
import { AttuneError, badFile } from '../../core/errors.ts'
import { steered } from '../sessions/admittance.ts'
import { adopt, directoryOf, weightsOf } from './models.ts'
import type { Caller } from '../../core/permissions.ts'
import { TrainingConfig, type ModelConfig, type ModelFile } from '../../core/protocol/index.ts'

/**
 * Keeps what a run has learnt up to its last committed step as a separate model, which can be downloaded, or
 * trained further. The run continues meanwhile.
 *
 * @throws AttuneError not-found, forbidden, conflict
 */
export async function keepLearnt(deps: Deps, caller: Caller, sessionId: string, name: string): Promise<ModelConfig> {
  await steered(deps.pool, caller, sessionId)
  const { modelId, hash, configuration } = await newestCheckpoint(deps.pool, sessionId)
  if (hash === null) throw new AttuneError('conflict', 'the run has not learnt anything yet: wait for its first step')
  if (await findModel(deps.pool, name))
    throw new AttuneError('conflict', `there is a model ${name} already: choose another name`, { path: 'name' })
  const base = await findModel(deps.pool, modelId)
  if (base === null) throw new Error(`${sessionId} is a run of no model`)
  const place = await openIncoming(deps.models.path)
  try {
    await writeLearntModel(place, {
      checkpoints: join(deps.models.checkpointsPath, sessionId),
      hash,
      config: TrainingConfig.parse(configuration),
      baseDir: weightsOf(deps, base),
      baseName: base.huggingfaceRepo ?? base.name,
    })
  } catch (error) {
    await rm(place, { recursive: true })
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    throw new AttuneError('conflict', 'the run took its next step meanwhile, or its checkpoint is lost: try again', {
      cause: error,
    })
  }
  return adopt(deps, { name, ...(await admit(place, deps.models.path, name).catch(badFile)) })
}

/** A model's files, adapters' included. @throws AttuneError not-found, conflict */
export async function filesOf(deps: Deps, modelId: string): Promise<ModelFile[]> {
  const directory = await directoryOf(deps, modelId)
  const names = (await readdir(directory, { recursive: true })).filter(isShared).sort()
  return Promise.all(names.map(async (name) => ({ name, bytes: (await stat(join(directory, name))).size })))
}

/** The path of a model's file. @throws AttuneError not-found, conflict */
export async function fileOf(deps: Deps, modelId: string, name: string): Promise<string> {
  const directory = await directoryOf(deps, modelId)
  if (!(await readdir(directory, { recursive: true })).includes(name) || !isShared(name))
    throw new AttuneError('not-found', `the model ${modelId} has no file ${name}`)
  return join(directory, name)
}

const isShared = (name: string): boolean =>
  isModelFile(name) || /^adapters\/adapter_(config\.json|model\.safetensors)$/.test(name)
