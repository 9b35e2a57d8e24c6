import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe } from '../../lm/isolated/isolated.ts'
import type { ModelDescription } from '../../lm/files/describe.ts'
import { Misuse, type Surroundings } from './arguments.ts'

type Listed = { name: string; directory: string } & (
  Pick<ModelDescription, 'family' | 'parameters' | 'context' | 'dtypes'> | { error: string }
)

/** The directories under MODELS_PATH that have a `config.json`, whole models or not. */
export async function list(args: readonly string[], { modelsPath }: Surroundings): Promise<{ models: Listed[] }> {
  if (args.length > 0) throw new Misuse('list takes no arguments')
  const models: Listed[] = []
  for (const entry of await readdir(modelsPath, { withFileTypes: true })) {
    const directory = join(modelsPath, entry.name)
    if (entry.isDirectory() && (await readdir(directory)).includes('config.json'))
      models.push({ name: entry.name, directory, ...(await summary(directory)) })
  }
  return { models: models.sort((a, b) => (a.name < b.name ? -1 : 1)) }
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
