import { createHash } from 'node:crypto'
import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeSafetensors, parseSafetensors, writeAtomically, type NamedTensor } from '../../lm/files/safetensors.ts'

/** Everything that a run needs to resume as if it had never stopped. */
export interface Checkpoint {
  /** Weights, optimizer moments, reward model, cached features: by name. */
  tensors: Map<string, NamedTensor>
  /** Counters, controllers: plain JSON. */
  state: unknown
}

/** How much memory a checkpoint's tensors take, bytes. */
export function bytesOf({ tensors }: Checkpoint): number {
  let bytes = 0
  for (const { data } of tensors.values()) bytes += data.byteLength
  return bytes
}

/** Prefix of the learner's states in a checkpoint. */
export const LEARNER_STATES = 'learner/'

export interface CheckpointStore {
  /** Stores a checkpoint and returns its name, the SHA-256 of its bytes. */
  save(checkpoint: Checkpoint): Promise<string>
  /** @throws CheckpointLost where the file is missing or its bytes are not those that were stored. */
  load(hash: string): Promise<Checkpoint>
  /** Deletes every checkpoint but these, and the remains of interrupted writes. */
  prune(keep: readonly string[]): Promise<void>
}

/** A checkpoint can no longer be read; the message tells the researcher why. */
export class CheckpointLost extends Error {}

/**
 * A session's checkpoints: one safetensors file each, named by the hash of its bytes, written to a
 * temporary name, synced, then renamed. One process at a time writes there.
 */
export function openCheckpoints(directory: string): CheckpointStore {
  const pathOf = (hash: string) => checkpointFile(directory, hash)
  return {
    async save({ tensors, state }) {
      await mkdir(directory, { recursive: true })
      const bytes = encodeSafetensors('checkpoint', tensors, { metadata: { state: JSON.stringify(state) } })
      const hash = sha256(bytes)
      await writeAtomically(pathOf(hash), bytes)
      await syncDirectory(directory)
      return hash
    },
    async load(hash) {
      const path = pathOf(hash)
      const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') throw new CheckpointLost('its file is missing', { cause: error })
        throw error
      })
      const found = sha256(bytes)
      if (found !== hash)
        throw new CheckpointLost(
          `its file is damaged: SHA-256 ${found.slice(0, 12)}… where ${hash.slice(0, 12)}… was stored`,
        )
      const file = parseSafetensors(bytes, path)
      return {
        tensors: new Map(file.names.map((name) => [name, file.float32(name)])),
        state: JSON.parse(file.metadata.state!),
      }
    },
    async prune(keep) {
      const kept = new Set(keep.map((hash) => hash + EXTENSION))
      // The leftovers of a process that was killed while writing begin like a checkpoint, too.
      const written = (await readdir(directory)).filter((name) => /^[0-9a-f]{64}\.safetensors/.test(name))
      for (const name of written) if (!kept.has(name)) await rm(join(directory, name))
    },
  }
}

const EXTENSION = '.safetensors'

/** Where a checkpoint's bytes are; `prune` may delete it at any time. */
export const checkpointFile = (directory: string, hash: string): string => join(directory, `${hash}${EXTENSION}`)

/** The point from which a run resumes. */
export interface Standing {
  /** 0: from the start. */
  step: number
  checkpoint: Checkpoint | null
  /** What could not be read on the way to it: the newest committed step first. */
  lost: { step: number; reason: string }[]
}

/** The newest checkpoint that can be read. @param committed newest first */
export async function newestReadable(
  store: CheckpointStore,
  committed: readonly { step: number; checkpoint: string }[],
): Promise<Standing> {
  const lost: Standing['lost'] = []
  for (const { step, checkpoint } of committed) {
    try {
      return { step, checkpoint: await store.load(checkpoint), lost }
    } catch (error) {
      if (!(error instanceof CheckpointLost)) throw error
      lost.push({ step, reason: error.message })
    }
  }
  return { step: 0, checkpoint: null, lost }
}

/** A renamed file survives a power cut only once its directory is synced, too. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
