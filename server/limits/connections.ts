import { readFileSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import type { Config } from '../../core/config.ts'
import { createCounts } from './counts.ts'
import { networkOf } from './newcomers.ts'
import { limits } from '../../core/protocol/index.ts'

/** Node's own timeouts, for `createServer`. Bodies are watched here (`watchBodies`): an upload may take hours. */
export const patience = {
  headersTimeout: limits.headersMs,
  requestTimeout: 0,
  keepAliveTimeout: limits.keepAliveMs,
  connectionsCheckingInterval: 2_000,
}

/** Milliseconds between checks for stalled connections, and between log lines about refused ones. */
const LOOK_MS = 2_000
const TELL_MS = 60_000
/** Milliseconds for the rest of a request to arrive once it has been answered. */
const REST_MS = 5_000
/** If the system does not say how many file descriptors there are. */
const DESCRIPTORS = 1_024
/** Share of them that is for connections: Postgres, Redis, files and downloads need some, too. */
const SHARE = 0.75
/**
 * Connections that one address may have, for each of its sockets: a page loads its files over a few more. One address
 * never gets more than this share of all.
 */
const PER_SOCKET = 4
const ADDRESS_SHARE = 0.75

/**
 * Keeps a server's connections within its capacity: limited in total and per address (unless they
 * come from proxies, which are few and bring many), and none that stalls. Excess ones are closed at
 * once. Call it once everything else listens to `http`.
 */
export function guardConnections(
  http: Server,
  { maxConnections = forConnections(), sockets, trustProxy }: Pick<Config, 'maxConnections' | 'sockets' | 'trustProxy'>,
  log: Logger,
): void {
  http.maxConnections = maxConnections
  const perAddress =
    trustProxy > 0 ? Infinity : Math.ceil(Math.min(PER_SOCKET * sockets.perAddress, ADDRESS_SHARE * maxConnections))
  const refused = tellerOf(log)
  const addresses = createCounts()
  const open = new Map<Socket, { written: number; since: number }>()
  http.on('drop', () =>
    refused('connections are refused: there are as many as fit (MAX_CONNECTIONS, ulimit -n)', maxConnections),
  )
  http.prependListener('connection', (socket: Socket) => {
    const address = networkOf(socket.remoteAddress ?? '')
    if (addresses.count(address) >= perAddress) {
      refused('connections are refused: one address has as many as it may', perAddress)
      return void socket.destroy()
    }
    const leave = addresses.take(address)
    open.set(socket, { written: 0, since: Date.now() })
    socket.once('close', () => {
      open.delete(socket)
      leave()
    })
  })
  const look = setInterval(() => {
    const now = Date.now()
    for (const [socket, progress] of open) {
      const { bytesWritten } = socket
      if (socket.writableLength === 0 || bytesWritten !== progress.written)
        Object.assign(progress, { written: bytesWritten, since: now })
      else if (now - progress.since >= limits.drainMs) socket.destroy()
    }
  }, LOOK_MS)
  http.once('close', () => clearInterval(look))
  watchBodies(http)
}

/** This request is an authorised upload: its body may take as long as it needs, provided that it makes progress. */
export function expectUpload(request: IncomingMessage): void {
  uploads.add(request)
}
const uploads = new WeakSet<IncomingMessage>()

/** Ends requests whose body does not arrive, and connections whose answered request keeps sending. */
function watchBodies(http: Server): void {
  http.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    const { headers, socket } = request
    if (headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0') return
    let read: number | undefined
    let timer = setTimeout(look, limits.bodyMs)
    function look(): void {
      // Data that has arrived and waits for us is not the sender's fault.
      const gotOn = read === undefined || socket.bytesRead - read >= limits.uploadBytes || request.readableLength > 0
      if (!uploads.has(request) || !gotOn) return giveUp(response, socket)
      read = socket.bytesRead
      timer = setTimeout(look, limits.uploadMs)
    }
    const done = (): void => clearTimeout(timer)
    request.once('end', done)
    request.once('close', done)
    response.once('finish', () => {
      if (request.complete) return
      clearTimeout(timer)
      timer = setTimeout(() => socket.destroy(), REST_MS)
    })
  })
}

function giveUp(response: ServerResponse, socket: Socket): void {
  if (!response.headersSent && socket.writable) {
    const message = `the body did not arrive within ${limits.bodyMs / 1_000} seconds: send it again`
    socket.write(
      `HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: ${message.length}\r\n\r\n${message}`,
    )
  }
  socket.destroySoon()
}

/** Connections that the process's file descriptors allow. */
function forConnections(): number {
  return Math.floor(SHARE * descriptors())
}

/** Node has raised the soft limit to the hard one by now. */
function descriptors(): number {
  if (process.platform !== 'linux') return DESCRIPTORS
  const soft = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1])
  return Number.isFinite(soft) && soft > 0 ? Math.min(soft, 1_000_000) : DESCRIPTORS
}

/** Logs frequent events only once in a while. */
function tellerOf(log: Logger): (message: string, most: number) => void {
  const toldAt = new Map<string, number>()
  return (message, most) => {
    if (Date.now() - (toldAt.get(message) ?? 0) < TELL_MS) return
    toldAt.set(message, Date.now())
    log.warn({ most }, message)
  }
}
