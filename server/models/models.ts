/** Models on disk, as the database knows them. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe } from '../../lm/isolated/isolated.ts'
import type { ModelDescription } from '../../lm/files/describe.ts'
import { ifThere } from '../../lm/files/disk.ts'
import type { Deps } from '../deps.ts'
import { adoptModel, findModel, listModelPaths } from '../../core/db/models.ts'
import { isConnectionTrouble } from '../../core/db/pool.ts'
import { AttuneError } from '../../core/errors.ts'
import type { ModelConfig } from '../../core/protocol/index.ts'

type Needs = Pick<Deps, 'pool' | 'log' | 'models'>

/**
 * Adds a model under MODELS_PATH to the database: as a new one, or as the weights of one that was
 * registered under its name.
 */
export async function adopt(
  { pool }: Pick<Deps, 'pool'>,
  { name, model }: { name: string; model: ModelDescription },
  huggingfaceRepo: string | null = null,
): Promise<ModelConfig> {
  const adopted = await adoptModel(pool, { name, huggingfaceRepo, ...aboutOf(model) })
  if (adopted === null) throw new Error(`the model ${name} has its weights elsewhere`)
  return adopted
}

/** Where a model's files are. @throws AttuneError not-found, conflict if it has none */
export async function directoryOf(deps: Pick<Deps, 'pool' | 'models'>, modelId: string): Promise<string> {
  const model = await findModel(deps.pool, modelId)
  if (model === null) throw new AttuneError('not-found', `there is no model ${modelId}`)
  return weightsOf(deps, model)
}

/** @throws AttuneError conflict if a model has no files */
export function weightsOf(
  { models }: Pick<Deps, 'models'>,
  { id, checkpointPath }: { id: string; checkpointPath?: string },
): string {
  if (checkpointPath === undefined)
    throw new AttuneError(
      'conflict',
      `the model ${id} has no weights: upload its files to /api/weights/models/${id}/upload`,
      { path: 'modelId' },
    )
  return join(models.path, checkpointPath)
}

/** Adds every model under MODELS_PATH that is not in the database: `npm run model -- import` put it there. */
export function adopter(deps: Needs): () => Promise<void> {
  // Problems with a directory are detected and logged once, until its files change.
  const refused = new Map<string, string>()
  return async () => {
    const { path } = deps.models
    const entries = (await ifThere(readdir(path, { withFileTypes: true }))) ?? []
    const known = new Set(await listModelPaths(deps.pool))
    for (const { name } of entries.filter(
      (entry) => entry.isDirectory() && !entry.name.startsWith('.') && !known.has(entry.name),
    )) {
      const files = await filesIn(join(path, name))
      if (refused.get(name) === files) continue
      try {
        await adopt(deps, { name, model: await describe(join(path, name)) })
        deps.log.info({ model: name }, 'a model was found under MODELS_PATH')
      } catch (error) {
        if (isConnectionTrouble(error)) throw error
        const reason = error instanceof Error ? error.message : String(error)
        deps.log.warn({ directory: name, reason }, 'a directory under MODELS_PATH is no model')
        refused.set(name, files)
      }
    }
  }
}

/** Names, sizes and times of a directory's files: the text differs if one of them has changed. */
async function filesIn(directory: string): Promise<string> {
  const names = (await ifThere(readdir(directory))) ?? []
  const facts = await Promise.all(names.sort().map((name) => ifThere(stat(join(directory, name)))))
  return names.map((name, i) => `${name} ${facts[i]?.size} ${facts[i]?.mtimeMs}`).join('\n')
}

const aboutOf = ({ family, parameters, context, vocabulary, width, layers }: ModelDescription) => ({
  architecture: family,
  parameters,
  inputShape: [context],
  outputShape: [context, vocabulary],
  hyperparameters: { context, vocabulary, width, layers },
})
