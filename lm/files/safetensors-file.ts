/** safetensors files on disk, one tensor in memory at a time. */
import { closeSync, openSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Shape } from '../graph/index.ts'
import {
  encodeHeader,
  headerEnd,
  replaceFile,
  safetensorsFile,
  tensorBytes,
  type SafetensorsFile,
  type StoredTensor,
} from './safetensors.ts'

/** Reads and checks a file's header; a tensor's values are read at every access. */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const { buffer: prefix, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0)
    const start = headerEnd(prefix.subarray(0, bytesRead), size, path)
    const { buffer: header } = await file.read(Buffer.alloc(start - 8), 0, start - 8, 8)
    return safetensorsFile({ header, size, path, read: (begin, end) => readRange(path, begin, end) })
  } finally {
    await file.close()
  }
}

/**
 * Writes F32 or F16 tensors (in name order) to a temporary file, syncs it and renames it to `path`; `read` is called
 * for one tensor at a time.
 */
export async function writeSafetensors(
  path: string,
  shapes: ReadonlyMap<string, Shape>,
  read: (name: string) => Float32Array | Promise<Float32Array>,
  { dtype = 'F32', metadata }: { dtype?: 'F32' | 'F16'; metadata?: Record<string, string> } = {},
): Promise<void> {
  const tensors = [...shapes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, shape]): StoredTensor => ({ name, shape, dtype }))
  await replaceFile(path, async (file) => {
    await file.writeFile(encodeHeader(tensors, metadata))
    for (const tensor of tensors) await file.writeFile(tensorBytes(await read(tensor.name), tensor, path))
  })
}

/** Bytes that one call reads at most; the system's own limit is just below 2 GiB. */
const maxRead = 2 ** 30

function readRange(path: string, begin: number, end: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(end - begin)
  const file = openSync(path, 'r')
  try {
    for (let at = 0; at < bytes.length;) {
      const count = readSync(file, bytes, at, Math.min(maxRead, bytes.length - at), begin + at)
      if (count === 0) throw new Error(`${path}: it was truncated after it was opened`)
      at += count
    }
  } finally {
    closeSync(file)
  }
  return bytes
}
