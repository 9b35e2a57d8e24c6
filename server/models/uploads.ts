/** A model's files as one multipart body: written as they arrive, and a model only once complete and valid. */
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { IncomingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { PassThrough, Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import Busboy from '@fastify/busboy'
import { isModelFile, mostBytes } from '../../lm/files/model-files.ts'
import { admit, openIncoming } from '../../lm/files/import.ts'
import type { Deps } from '../deps.ts'
import { findModel } from '../../core/db/models.ts'
import { AttuneError, badFile, isOfDisk } from '../../core/errors.ts'
import { adopt } from './models.ts'
import type { ModelConfig } from '../../core/protocol/index.ts'

/** Most files of one upload. */
const MAX_FILES = 256

export interface Body {
  headers: IncomingHttpHeaders
  stream: Readable
}

/** Gives a registered model without weights its files. @throws AttuneError not-found, conflict, invalid, too-large */
export async function uploadModel(deps: Deps, modelId: string, body: Body): Promise<ModelConfig> {
  const { path, maxBytes } = deps.models
  const model = await findModel(deps.pool, modelId)
  if (model === null) throw new AttuneError('not-found', `there is no model ${modelId}`)
  if (model.checkpointPath !== undefined)
    throw new AttuneError('conflict', `the model ${modelId} has weights already: register another one for these`)
  const place = await openIncoming(path)
  try {
    await receive(body, place, maxBytes)
  } catch (error) {
    await rm(place, { recursive: true })
    throw error
  }
  const admitted = await admit(place, path, modelId).catch(badFile)
  return adopt(deps, { name: modelId, ...admitted })
}

/** Makes transforms that let this many bytes through in total, and fail with `too-large` at the next one. */
export function allowance(bytes: number, message: string): () => Transform {
  let left = bytes
  return () =>
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        left -= chunk.byteLength
        done(left < 0 ? new AttuneError('too-large', message) : null, chunk)
      },
    })
}

/** Files that are read whole are rejected as they arrive. */
function bounded(name: string): Transform {
  const most = mostBytes(name)
  return most === null
    ? new PassThrough()
    : allowance(most, `${name} has more than the ${most} bytes that are allowed for such a file`)()
}

/** Writes every file of the body into `place`. */
async function receive({ headers, stream }: Body, place: string, maxBytes: number): Promise<void> {
  const type = headers['content-type']
  if (type === undefined || !type.startsWith('multipart/form-data'))
    throw new AttuneError('invalid', 'send the files as multipart/form-data')
  const files: Promise<void>[] = []
  let failure: Error | null = null
  const arriving: Readable[] = []
  const limited = allowance(maxBytes, `a model has at most ${maxBytes} bytes here (MAX_MODEL_BYTES)`)
  const parser = new Busboy({ headers: { ...headers, 'content-type': type }, limits: { files: MAX_FILES, fields: 0 } })
  parser.on('file', (_field, file, name) => {
    arriving.push(file)
    // For a file that is written, its pipeline reports errors; one rejected by name has no other listener.
    file.on('error', (error: Error) => (failure ??= error))
    const written = isModelFile(name)
      ? pipeline(file, bounded(name), limited(), createWriteStream(join(place, name), { flags: 'wx' }))
      : Promise.reject(
          new AttuneError(
            'invalid',
            `${JSON.stringify(name)} is no file of a model: send config.json, the safetensors, tokenizer.json and the like`,
            { path: name },
          ),
        )
    // The first file that fails ends the whole body, which may have arrived by then.
    files.push(
      written.catch((error: unknown) => {
        failure ??= error instanceof Error ? error : new Error(String(error))
        parser.destroy(failure)
      }),
    )
  })
  try {
    await pipeline(stream, parser)
    await Promise.all(files)
    if (failure !== null) throw failure as Error
  } catch (thrown) {
    // A parser that is aborted ends none of its files.
    for (const file of arriving) file.destroy(thrown instanceof Error ? thrown : new Error(String(thrown)))
    await Promise.all(files)
    const error: unknown = failure ?? thrown
    if (error instanceof AttuneError || isOfDisk(error)) throw error
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw new AttuneError('invalid', 'a file was sent twice', { cause: error })
    throw new AttuneError(
      'invalid',
      `the body cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    )
  }
}
