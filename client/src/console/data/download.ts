/** Files that need the token: fetched, and handed to the browser to keep. */
import type { Envelope } from '../../../../core/protocol/index.ts'
import { ApiError } from '../../api.ts'

export interface Fetched {
  name: string
  blob: Blob
}

/** Who fetches. */
export interface Bearer {
  token: () => Promise<string>
  /** … where that one is no longer valid. */
  renew: (rejected: string) => Promise<{ token: string }>
}

/**
 * Fetches a file as it arrives; the browser keeps it out of the page's memory. @param onprogress told how many bytes have
 * come @throws ApiError with the server's code, or `offline` where none came or it broke off
 */
export async function fetchFile(path: string, by: Bearer, onprogress: (bytes: number) => void): Promise<Fetched> {
  const token = await by.token()
  try {
    return await fetchBy(token, path, onprogress)
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 'unauthenticated')) throw error
    return fetchBy((await by.renew(token)).token, path, onprogress)
  }
}

async function fetchBy(token: string, path: string, onprogress: (bytes: number) => void): Promise<Fetched> {
  const response = await fetch(path, { headers: { authorization: `Bearer ${token}` } }).catch((cause: unknown) => {
    throw new ApiError('offline', `The server can’t be reached. Check the connection and try again. (${String(cause)})`)
  })
  if (!response.ok) throw await refusalOf(response)
  const name = /filename="([^"]+)"/.exec(response.headers.get('content-disposition') ?? '')?.[1] ?? 'export'
  let bytes = 0
  const counted = response.body?.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, to) {
        onprogress((bytes += chunk.length))
        to.enqueue(chunk)
      },
    }),
  )
  try {
    return { name, blob: await new Response(counted ?? null).blob() }
  } catch (cause) {
    throw new ApiError('offline', `The download broke off. Try again. (${String(cause)})`)
  }
}

async function refusalOf(response: Response): Promise<ApiError> {
  if (!response.headers.get('content-type')?.includes('application/json'))
    return new ApiError(
      'unavailable',
      `The server answered ${response.status} without an explanation. Try again in a moment.`,
    )
  const envelope = (await response.json()) as Envelope<never>
  return envelope.success
    ? new ApiError('internal', 'The server answered without a file.')
    : new ApiError(envelope.error, envelope.message, envelope.path)
}

/** Hands a file to the browser, which asks where to or puts it with the downloads. */
export function saveFile({ name, blob }: Fetched): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  // The browser has taken it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}
