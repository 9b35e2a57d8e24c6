import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeSafetensors, parseSafetensors, writeAtomically, type NamedTensor } from './models/safetensors.ts'

/** Everything that a run needs to go on as if it had never stopped. */
export interface Checkpoint {
  /** Weights, optimizer moments, reward model, cached features: by name. */
  tensors: Map<string, NamedTensor>
  /** Counters, controllers, the batch that is being voted on: plain JSON. */
  state: unknown
}

export interface CheckpointStore {
  /** Stores a checkpoint and returns its name, the SHA-256 of its bytes. */
  save(checkpoint: Checkpoint): Promise<string>
  /** @throws where the file is missing or its bytes are not those that were stored. */
  load(hash: string): Promise<Checkpoint>
  /** Deletes every checkpoint but these. */
  prune(keep: string[]): Promise<void>
}

/** A session's checkpoints: one safetensors file each, named by the hash of its bytes, written to a temporary name, synced, then renamed. */
export function openCheckpoints(directory: string): CheckpointStore {
  const pathOf = (hash: string) => join(directory, `${hash}.safetensors`)
  return {
    async save({ tensors, state }) {
      await mkdir(directory, { recursive: true })
      const bytes = encodeSafetensors('checkpoint', tensors, { metadata: { state: JSON.stringify(state) } })
      const hash = sha256(bytes)
      await writeAtomically(pathOf(hash), bytes)
      return hash
    },
    async load(hash) {
      const path = pathOf(hash)
      const bytes = await readFile(path)
      if (sha256(bytes) !== hash) throw new Error(`${path} is damaged: its bytes are not those that were stored`)
      const file = parseSafetensors(bytes, path)
      return {
        tensors: new Map(file.names.map((name) => [name, file.float32(name)])),
        state: JSON.parse(file.metadata.state),
      }
    },
    async prune(keep) {
      const kept = new Set(keep.map((hash) => `${hash}.safetensors`))
      for (const name of await readdir(directory)) {
        if (name.endsWith('.safetensors') && !kept.has(name)) await rm(join(directory, name))
      }
    },
  }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
