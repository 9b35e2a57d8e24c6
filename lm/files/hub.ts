/**
 * Models from a Hugging Face hub. Interrupted downloads resume; every file is checked against the hub's
 * hash.
 */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { downloadFile, HubApiError, listFiles, modelInfo, type ListFileEntry } from '@huggingface/hub'
import { bytesOf, checkRoom } from './disk.ts'
import { checkSize, chooseFiles } from './model-files.ts'

export interface HubSource {
  /** `owner/name`. */
  repo: string
  /** A branch, a tag or a commit. */
  revision: string
  /** Where the hub is, e.g. `https://huggingface.co`. */
  hubUrl: string
  /** Needed for private and gated models. */
  token?: string
}

export interface Progress {
  file: string
  bytes: number
  totalBytes: number
}

export interface Transfer {
  /** Called as bytes arrive; `bytes` counts those of all files, including earlier attempts. */
  onProgress?: (progress: Progress) => void
  signal?: AbortSignal
  /** Larger models are refused before anything is downloaded. */
  maxBytes: number
}

/** Attempts at one file before the download fails; partial content is kept between them. */
const attempts = 4
/** Milliseconds before the second attempt; doubled for each further one. */
const firstPause = 500

/** A planned download: the files that make up a model, at one commit. */
export interface Plan {
  source: HubSource
  commit: string
  files: readonly ListFileEntry[]
  totalBytes: number
}

/**
 * Throws where there is no such model or revision, the token gives no access, or it is larger than the limit or not
 * stored as safetensors.
 */
export async function planDownload(
  source: HubSource,
  { signal, maxBytes }: Pick<Transfer, 'signal' | 'maxBytes'>,
): Promise<Plan> {
  const { repo, revision, hubUrl, token } = source
  const how = { hubUrl, ...access(token), fetch: fetchUntil(signal) }
  const { commit, entries } = await asked(repo, revision, async () => {
    const { sha: commit } = await modelInfo({ name: repo, revision, additionalFields: ['sha'], ...how })
    const entries = new Map<string, ListFileEntry>()
    for await (const entry of listFiles({ repo, revision: commit, ...how }))
      if (entry.type === 'file') entries.set(entry.path, entry)
    return { commit, entries }
  })
  const files = chooseFiles([...entries.keys()], `${repo} at ${revision}`).flatMap((name) => entries.get(name) ?? [])
  for (const { path, size } of files) checkSize(path, size, `${repo}: ${path}`)
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0)
  if (totalBytes > maxBytes) throw new Error(`${repo} has ${totalBytes} bytes; at most ${maxBytes} are imported`)
  return { source, commit, files, totalBytes }
}

/** Downloads the files into `directory`; those that are already complete are skipped. */
export async function download(
  { source, commit, files, totalBytes }: Plan,
  directory: string,
  { onProgress, signal }: Pick<Transfer, 'onProgress' | 'signal'>,
): Promise<void> {
  const there = await Promise.all(
    files.flatMap(({ path }) => [bytesOf(join(directory, path)), bytesOf(join(directory, `${path}.part`))]),
  )
  await checkRoom(directory, totalBytes - there.reduce((sum, bytes) => sum + bytes, 0))
  let done = 0
  for (const file of files) {
    await downloadWhole(
      { ...source, commit },
      file,
      join(directory, file.path),
      (bytes) => onProgress?.({ file: file.path, bytes: done + bytes, totalBytes }),
      signal,
    )
    done += file.size
  }
}

type AtCommit = HubSource & { commit: string }

/** Resumes, with retries, until the file is complete and has its hash. */
async function downloadWhole(
  source: AtCommit,
  entry: ListFileEntry,
  path: string,
  onBytes: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  if ((await bytesOf(path)) === entry.size) return onBytes(entry.size)
  const part = `${path}.part`
  for (let attempt = 1; ; attempt++) {
    try {
      await downloadRest(source, entry, part, onBytes, signal)
      break
    } catch (error) {
      signal?.throwIfAborted()
      const refused = error instanceof HubApiError && error.statusCode < 500 && error.statusCode !== 429
      if (refused || attempt === attempts)
        throw new Error(
          `${source.repo}: ${entry.path} could not be downloaded: ${messageOf(error)}; the partial download is kept, so importing it again resumes there`,
          { cause: error },
        )
      await sleep(firstPause * 2 ** (attempt - 1), undefined, { signal })
    }
  }
  const wanted = entry.lfs?.oid ?? entry.oid
  const found = await hashOf(part, entry)
  if (wanted !== undefined && found !== wanted) {
    await rm(part)
    throw new Error(
      `${source.repo}: ${entry.path} is corrupt: its hash is ${found}, the hub says ${wanted}; import it again`,
    )
  }
  await rename(part, path)
}

async function downloadRest(
  { repo, commit, hubUrl, token }: AtCommit,
  { path, size }: ListFileEntry,
  part: string,
  onBytes: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  let have = await bytesOf(part)
  if (have > size) {
    await rm(part)
    have = 0
  }
  if (have === size && size > 0) return onBytes(size)
  // Plain HTTP ranges, which every hub supports, and not xet, whose chunks cannot be resumed within a file.
  const blob = await downloadFile({
    repo,
    path,
    revision: commit,
    hubUrl,
    xet: false,
    ...access(token),
    fetch: fetchUntil(signal),
  })
  if (!blob) throw new Error('the hub lists it, but does not have it')
  const reader = blob.slice(have, size).stream().getReader()
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      have += next.value.byteLength
      if (have > size) throw new Error(`more than its ${size} bytes arrived`)
      onBytes(have)
      yield next.value
    }
  }
  try {
    await pipeline(chunks, createWriteStream(part, { flags: 'a' }), { signal })
  } finally {
    await reader.cancel()
  }
  if (have < size) throw new Error(`${have} of ${size} bytes arrived`)
}

/** Large files are listed with their SHA-256, small ones with git's blob hash. */
async function hashOf(path: string, { size, lfs }: ListFileEntry): Promise<string> {
  const hash = lfs ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`)
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

/** Turns the hub's errors into advice. */
async function asked<T>(repo: string, revision: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof HubApiError)) throw error
    if (error.statusCode === 401 || error.statusCode === 403)
      throw new Error(`${repo} is private or gated, or does not exist: provide a token with read access (HF_TOKEN)`, {
        cause: error,
      })
    if (error.statusCode === 404)
      throw new Error(`the hub has no model ${repo} at revision ${revision}`, { cause: error })
    throw error
  }
}

const access = (token: string | undefined) => (token === undefined ? {} : { accessToken: token })
const fetchUntil =
  (signal: AbortSignal | undefined): typeof fetch =>
  (input, init) =>
    fetch(input, signal ? { ...init, signal } : init)
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
