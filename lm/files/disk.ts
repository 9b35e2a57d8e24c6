/** Small additions to Node's file system functions. */
import { open, stat, statfs } from 'node:fs/promises'

/** A promise's result, or null if a file that it needs does not exist (ENOENT). */
export async function ifThere<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

/** Size of a file, bytes; 0 if there is none. */
export async function bytesOf(path: string): Promise<number> {
  return (await ifThere(stat(path)))?.size ?? 0
}

/** Throws if the disk of a directory has less free space than `bytes`. */
export async function checkRoom(directory: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory)
  if (bavail * bsize < bytes) throw new Error(`${directory} has ${bavail * bsize} bytes free, and ${bytes} are needed`)
}

/** Syncs a file's bytes, or a directory's entries, to disk. */
export async function sync(path: string): Promise<void> {
  const file = await open(path)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
