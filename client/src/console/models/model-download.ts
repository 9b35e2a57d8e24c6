/** A model as a file: it is packed by the server, and then fetched. */
import type { Download } from '../../../../core/protocol/index.ts'
import { ApiError, type Method } from '../../api.ts'

export interface Packing {
  /** A request to the server as this person. */
  call: <T>(method: Method, path: string, body?: unknown) => Promise<T>
  /** Resolves when it is time to ask again. */
  pause: () => Promise<void>
  /** Hears that it is not ready, and in how many seconds it may be. */
  onwait: (seconds: number) => void
}

/**
 * Has a model packed as one archive, in Hugging Face's format. @returns its address, which needs the token, and its
 * size in bytes, if that is known @throws ApiError; of code `internal` where packing failed
 */
export async function packModel(
  modelId: string,
  { call, pause, onwait }: Packing,
): Promise<{ url: string; bytes: number | null }> {
  let download = await call<Download>('POST', `/api/weights/models/${encodeURIComponent(modelId)}/download`, {})
  while (download.status === 'preparing') {
    onwait(download.estimatedTime)
    await pause()
    const id = encodeURIComponent(download.downloadId)
    download = await call<Download>('GET', `/api/weights/downloads/${id}/status`)
  }
  const { url, bytes, error } = download
  if (url === null) throw new ApiError('internal', `The model could not be packed: ${error ?? 'no reason was given'}`)
  return { url, bytes }
}
