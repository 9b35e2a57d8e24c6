/** A model as one archive: a tar of an export format's files, in one precision, compressed or not. */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createBrotliCompress, createGzip } from 'node:zlib'
import { pack, type Pack } from 'tar-stream'
import type { Precision } from './formats/format.ts'
import { type FormatName, formats } from './formats/index.ts'

export const compressions = ['none', 'gzip', 'brotli'] as const
export type Compression = (typeof compressions)[number]

export interface Packing {
  directory: string
  format: FormatName
  /** One that the format has. */
  precision: Precision
  compression: Compression
  /** The folder of archives, and the archive's file name. */
  folder: string
  name: string
}

export interface Packed {
  sha256: string
  bytes: number
}

/**
 * Brotli's quality. Its default, 11, is for pages that are compressed once and fetched a million times: for
 * weights it takes 260 times as long as 4, for a hundredth of the size; 5 and 6 make them no smaller than 4.
 */
const BROTLI_QUALITY = 4

/** Packs a model; the archive appears under its name, then its metadata beside it. */
export async function packModel({ directory, format, precision, compression, folder, name }: Packing): Promise<Packed> {
  const place = await mkdtemp(join(folder, 'packing-'))
  try {
    const model = join(place, 'model')
    await mkdir(model)
    await formats[format].write(directory, model, precision)
    const packed = await archive(model, join(place, name), compression)
    // Both are written before either is renamed: a full disk leaves nothing half-written.
    await writeFile(join(place, 'about.json'), JSON.stringify(packed))
    await rename(join(place, name), join(folder, name))
    await rename(join(place, 'about.json'), join(folder, `${name}.json`))
    return packed
  } finally {
    await rm(place, { recursive: true })
  }
}

async function archive(model: string, path: string, compression: Compression): Promise<Packed> {
  const hash = createHash('sha256')
  let bytes = 0
  const measured = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      bytes += chunk.byteLength
      done(null, chunk)
    },
  })
  const tar = pack()
  await Promise.all([pipeline(tar, compressor(compression), measured, createWriteStream(path)), fill(tar, model)])
  return { sha256: hash.digest('hex'), bytes }
}

function compressor(compression: Compression) {
  switch (compression) {
    case 'none':
      return new PassThrough()
    case 'gzip':
      return createGzip()
    case 'brotli':
      return createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } })
  }
}

/**
 * Adds a directory's files to an archive, sorted and with the same timestamp: the same model gives the same archive.
 */
async function fill(tar: Pack, directory: string): Promise<void> {
  for (const name of (await readdir(directory)).sort()) {
    const path = join(directory, name)
    await pipeline(createReadStream(path), tar.entry({ name, size: (await stat(path)).size, mtime: new Date(0) }))
  }
  tar.finalize()
}
