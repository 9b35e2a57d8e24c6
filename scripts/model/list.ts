import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe } from '../../lm/isolated/isolated.ts'
import type { ModelDescription } from '../../lm/files/describe.ts'
import { command } from '../cli/command.ts'
import type { ModelCommand } from './surroundings.ts'

type Listed = { name: string; directory: string } & (
  Pick<ModelDescription, 'family' | 'parameters' | 'context' | 'dtypes'> | { error: string }
)

export const list: ModelCommand = (around) =>
  command({
    name: 'list',
    summary: 'the models under MODELS_PATH',
    options: {},
    run: async () => ({ models: await modelsIn(around().modelsPath) }),
  })

/** The directories that have a `config.json`, complete models or not. */
async function modelsIn(modelsPath: string): Promise<Listed[]> {
  const models: Listed[] = []
  for (const entry of await readdir(modelsPath, { withFileTypes: true })) {
    const directory = join(modelsPath, entry.name)
    if (entry.isDirectory() && (await readdir(directory)).includes('config.json'))
      models.push({ name: entry.name, directory, ...(await summary(directory)) })
  }
  return models.sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function summary(
  directory: string,
): Promise<Pick<ModelDescription, 'family' | 'parameters' | 'context' | 'dtypes'> | { error: string }> {
  try {
    const { family, parameters, context, dtypes } = await describe(directory)
    return { family, parameters, context, dtypes }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}
