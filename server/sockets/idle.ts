import type { Server, Socket } from 'socket.io'
import { limits } from '../../core/protocol/index.ts'

/** Milliseconds between checks for sockets that may not be reading. */
const LOOK_MS = 2_000

/** Ends a socket that has sent no event within its time: it holds a slot that somebody else may want. */
export function endIfSilent(
  socket: Pick<Socket, 'onAny' | 'offAny' | 'once' | 'disconnect'>,
  ms: number = limits.silentMs,
): void {
  const timer = setTimeout(() => socket.disconnect(true), ms)
  const speaks = () => {
    clearTimeout(timer)
    socket.offAny(speaks)
  }
  socket.onAny(speaks)
  socket.once('disconnect', speaks)
}

/**
 * Closes connections that take what they are sent too slowly: what is queued for them takes our memory. Returns a
 * function that stops it.
 */
export function closeUnread(
  io: Pick<Server, 'engine'>,
  most: number = limits.unreadMessages,
  everyMs: number = LOOK_MS,
): () => void {
  const open = new Set<Connection>()
  io.engine.on('connection', (connection: Connection) => {
    open.add(connection)
    connection.once('close', () => open.delete(connection))
  })
  const timer = setInterval(() => {
    for (const connection of open) if (connection.writeBuffer.length > most) connection.close(true)
  }, everyMs)
  return () => clearInterval(timer)
}

/** The part of Engine.IO's socket that this needs. */
interface Connection {
  writeBuffer: unknown[]
  once: (event: 'close', heard: () => void) => void
  close: (discard: boolean) => void
}
