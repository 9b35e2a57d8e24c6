import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Request, Response } from 'express'
import { limits } from '../../core/protocol/index.ts'

/** A file that is sent while it is made. */
export interface Download {
  /** Letters, digits, dots and hyphens. */
  name: string
  /** Media type. */
  type: string
  /** Makes it: each chunk is asked for once its reader has taken the one before. `signal`: nobody reads it any more. */
  body: (signal: AbortSignal) => AsyncGenerator<string | Uint8Array, void, undefined>
}

/**
 * Sends a download at its reader's pace. What fails before its first chunk rejects, and can still be answered; what fails
 * later breaks the response off, which its reader notices by the missing end. A reader who leaves ends it.
 */
export async function sendDownload(
  { method }: Pick<Request, 'method'>,
  response: Response,
  { name, type, body }: Download,
): Promise<void> {
  const head = { 'content-type': type, 'content-disposition': `attachment; filename="${name}"` }
  if (method === 'HEAD') return void response.set(head).end()
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const chunks = body(gone.signal)
  let sending = false
  try {
    const first = await chunks.next()
    if (gone.signal.aborted) return
    sending = true
    response.set(head)
    await pipeline(Readable.from(whole(first, chunks), { highWaterMark: 1 }), response, {
      signal: AbortSignal.timeout(limits.exportMs),
    })
  } catch (error) {
    // Whoever has left needs no answer, and nothing is wrong here.
    if (sending ? !isLeaving(error) : !gone.signal.aborted) throw error
  } finally {
    // Also where its reader left before a first chunk was read.
    await chunks.return()
  }
}

async function* whole(
  first: IteratorResult<string | Uint8Array, void>,
  rest: AsyncGenerator<string | Uint8Array, void, undefined>,
): AsyncGenerator<string | Uint8Array, void, undefined> {
  if (first.done) return
  yield first.value
  yield* rest
}

/** The reader closed the connection before the end. */
const isLeaving = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE'
