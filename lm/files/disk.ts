/** The little that the file system's own functions leave to say. */
import { open, stat, statfs } from 'node:fs/promises'

/** What a promise gives, or null where a file that it needs is not there. */
export async function ifThere<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

/** Bytes of a file; 0 where there is none. */
export async function bytesOf(path: string): Promise<number> {
  return (await ifThere(stat(path)))?.size ?? 0
}

/** Throws where the disk that holds a directory has no room for so many bytes more. */
export async function checkRoom(directory: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory)
  if (bavail * bsize < bytes)
    throw new Error(`${directory} has room for ${bavail * bsize} bytes more, and ${bytes} are needed`)
}

/** Returns once a file's bytes, or a directory's entries, are on the disk itself. */
export async function sync(path: string): Promise<void> {
  const file = await open(path)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
