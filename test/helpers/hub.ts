/**
 * A local HTTP server that behaves like the Hugging Face hub as far as reading models goes, and that can fail on
 * demand.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Repository {
  commit: string
  /** Contents by path; safetensors are stored as large files. */
  files: Map<string, Uint8Array>
  /** Only for who sends this token. */
  token?: string
}

export interface Hub {
  url: string
  repositories: Map<string, Repository>
  /** What was asked for, e.g. `GET config.json bytes=0-`. */
  requests: string[]
  /** Bytes sent of each file's contents. */
  sent: Map<string, number>
  /**
   * Called with a file's path and the bytes about to be sent; what it returns is sent, and `cut` drops the connection
   * after it.
   */
  tamper: (path: string, bytes: Uint8Array) => { bytes: Uint8Array; cut: boolean }
  close: () => Promise<void>
}

export async function openHub(): Promise<Hub> {
  const server = createServer((request, response) => answer(hub, request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const hub: Hub = {
    url: `http://127.0.0.1:${port}`,
    repositories: new Map(),
    requests: [],
    sent: new Map(),
    tamper: (_, bytes) => ({ bytes, cut: false }),
    close: () =>
      new Promise((resolve, reject) => {
        server.closeAllConnections()
        server.close((error) => (error ? reject(error) : resolve()))
      }),
  }
  return hub
}

function answer(hub: Hub, request: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(request.url ?? '/', hub.url)
  const json = (status: number, body: unknown, headers: Record<string, string> = {}): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  }
  const api = /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree)\/([^/]+)$/.exec(pathname)
  const file = /^\/(cdn\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname)
  const [name = '', revision = ''] = api ? [api[1], api[3]] : file ? [file[2], file[3]] : []
  const repository = hub.repositories.get(name)
  // The hub does not say of a private model that it is there.
  if (
    !repository ||
    (repository.token !== undefined && request.headers.authorization !== `Bearer ${repository.token}` && !file?.[1])
  )
    return json(401, { error: 'Invalid username or password.' })
  if (![repository.commit, 'main'].includes(revision))
    return json(404, { error: 'Revision not found' }, { 'x-error-code': 'RevisionNotFound' })
  if (api?.[2] === 'revision')
    return json(200, {
      _id: '1',
      id: name,
      sha: repository.commit,
      private: repository.token !== undefined,
      gated: false,
      downloads: 0,
      likes: 0,
      lastModified: new Date(0).toISOString(),
    })
  if (api)
    return json(
      200,
      [...repository.files].map(([path, bytes]) => entryOf(path, bytes)),
    )
  const path = file?.[4] ?? ''
  const bytes = repository.files.get(path)
  if (!bytes) return json(404, { error: 'Entry not found' }, { 'x-error-code': 'EntryNotFound' })
  // Large files lie elsewhere.
  if (isLarge(path) && !file?.[1]) {
    response
      .writeHead(302, {
        location: `/cdn${pathname}`,
        'x-linked-etag': `"${sha256(bytes)}"`,
        'x-linked-size': String(bytes.byteLength),
      })
      .end()
    return
  }
  send(hub, request, response, path, bytes)
}

function send(hub: Hub, request: IncomingMessage, response: ServerResponse, path: string, whole: Uint8Array): void {
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const start = range ? Number(range[1]) : 0
  const end = Math.min(whole.byteLength, range?.[2] ? Number(range[2]) + 1 : whole.byteLength)
  const headers = { etag: `"${sha256(whole)}"`, 'content-length': end - start }
  if (range) response.writeHead(206, { ...headers, 'content-range': `bytes ${start}-${end - 1}/${whole.byteLength}` })
  else response.writeHead(200, headers)
  // What only asks for the size is no download.
  if (range?.[2] === '0') return void response.end(whole.subarray(start, end))
  hub.requests.push(`${path} ${start}-${end}`)
  const { bytes, cut } = hub.tamper(path, whole.subarray(start, end))
  hub.sent.set(path, (hub.sent.get(path) ?? 0) + bytes.byteLength)
  response.write(bytes, () => (cut ? response.destroy() : response.end()))
}

function entryOf(path: string, bytes: Uint8Array): object {
  const size = bytes.byteLength
  const oid = createHash('sha1').update(`blob ${size}\0`).update(bytes).digest('hex')
  return isLarge(path)
    ? { type: 'file', path, size, oid: '0'.repeat(40), lfs: { oid: sha256(bytes), size, pointerSize: 134 } }
    : { type: 'file', path, size, oid }
}

const isLarge = (path: string): boolean => path.endsWith('.safetensors')
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
