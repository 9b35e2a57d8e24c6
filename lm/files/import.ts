/**
 * Imports a model: its files are staged in a hidden directory, checked there as a whole, and appear under MODELS_PATH
 * by one rename. A failed import leaves nothing that looks like a model.
 */
import { createHash, randomUUID } from 'node:crypto'
import { copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { describe } from '../isolated/isolated.ts'
import type { ModelDescription } from './describe.ts'
import { checkRoom, ifThere, sync } from './disk.ts'
import { download, planDownload, type HubSource, type Transfer } from './hub.ts'
import { checkSize, chooseFiles } from './model-files.ts'

export type Source = ({ kind: 'hub' } & HubSource) | { kind: 'directory'; path: string }

export interface Intake extends Transfer {
  modelsPath: string
  /** The directory's name under `modelsPath`; `nameOf(source)` by default. */
  name?: string
}

export interface ImportedModel {
  name: string
  directory: string
  /** Of a model from the hub. */
  commit: string | null
  model: ModelDescription
}

/** Under MODELS_PATH, so on the same file system: a rename copies nothing. */
const incoming = '.incoming'

/** Days for which an interrupted download is kept. */
const keptDays = 14

/**
 * Imports a model. Throws, naming file and tensor, where it is incomplete; an interrupted download resumes next
 * time.
 */
export async function importModel(source: Source, intake: Intake): Promise<ImportedModel> {
  const name = checkName(intake.name ?? nameOf(source))
  await refuseTaken(intake.modelsPath, name)
  const { place, commit } =
    source.kind === 'hub' ? await fetchFromHub(source, intake) : await copyIn(source.path, intake)
  return { name, commit, ...(await admit(place, intake.modelsPath, name)) }
}

async function fetchFromHub(source: HubSource, intake: Intake): Promise<{ place: string; commit: string }> {
  const plan = await planDownload(source, intake)
  const { commit } = plan
  // The same for the same files, so that an earlier partial download is found again.
  const key = createHash('sha256').update(`${source.hubUrl} ${source.repo} ${commit}`).digest('hex').slice(0, 32)
  const place = await openIncoming(intake.modelsPath, key)
  await download(plan, place, intake)
  return { place, commit }
}

async function copyIn(path: string, intake: Intake): Promise<{ place: string; commit: null }> {
  const place = await openIncoming(intake.modelsPath)
  try {
    await copyFiles(path, place, intake)
  } catch (error) {
    await rm(place, { recursive: true })
    throw error
  }
  return { place, commit: null }
}

/** Creates a staging directory, and removes those that were abandoned long ago. */
export async function openIncoming(modelsPath: string, key: string = randomUUID()): Promise<string> {
  const all = join(modelsPath, incoming)
  await mkdir(all, { recursive: true })
  for (const name of await readdir(all)) {
    const left = await ifThere(stat(join(all, name)))
    if (left && Date.now() - left.mtimeMs > keptDays * 86_400_000)
      await rm(join(all, name), { recursive: true, force: true })
  }
  await mkdir(join(all, key), { recursive: true })
  return join(all, key)
}

/**
 * Checks the staged files, and makes them a model under its name. A directory that is not a complete model is deleted.
 */
export async function admit(
  place: string,
  modelsPath: string,
  name: string,
): Promise<{ directory: string; model: ModelDescription }> {
  const directory = join(modelsPath, checkName(name))
  try {
    const model = await describe(place)
    await refuseTaken(modelsPath, name)
    for (const file of await readdir(place)) await sync(join(place, file))
    await rename(place, directory)
    await sync(modelsPath)
    return { directory, model }
  } catch (error) {
    await rm(place, { recursive: true, force: true })
    // Errors don't expose the staging path. What the file system refuses is not the sender's fault.
    if (error instanceof Error && !('code' in error))
      throw new Error(error.message.replaceAll(`${place}/`, ''), { cause: error })
    throw error
  }
}

/** A model's name: its directory's, and its id in the API. */
export function checkName(name: string): string {
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name))
    throw new Error(
      `${JSON.stringify(name)} is not a valid model name: up to 64 of a–z, 0–9, ., _ and -, a letter or digit first`,
    )
  return name
}

/** The last part of a repository's or directory's name, as a valid model name. */
export function nameOf(source: Source): string {
  const last = source.kind === 'hub' ? (source.repo.split('/').at(-1) ?? '') : basename(resolve(source.path))
  return last
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 64)
}

async function refuseTaken(modelsPath: string, name: string): Promise<void> {
  if (await ifThere(stat(join(modelsPath, name))))
    throw new Error(`there is a model ${name} already; import this one under another name`)
}

async function copyFiles(from: string, to: string, { onProgress, signal, maxBytes }: Transfer): Promise<void> {
  const names = chooseFiles(
    (await readdir(from, { withFileTypes: true })).filter((entry) => !entry.isDirectory()).map((entry) => entry.name),
    from,
  )
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(from, name))).size))
  names.forEach((name, i) => checkSize(name, sizes[i] ?? 0, join(from, name)))
  const totalBytes = sizes.reduce((sum, size) => sum + size, 0)
  if (totalBytes > maxBytes) throw new Error(`${from} has ${totalBytes} bytes; at most ${maxBytes} are imported`)
  await checkRoom(to, totalBytes)
  let bytes = 0
  for (const [i, file] of names.entries()) {
    signal?.throwIfAborted()
    await copyFile(join(from, file), join(to, file))
    bytes += sizes[i] ?? 0
    onProgress?.({ file, bytes, totalBytes })
  }
}
