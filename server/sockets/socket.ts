/** A socket of this server, its rooms, and the handlers of its events. */
import type { Server, Socket } from 'socket.io'
import type { z } from 'zod'
import type { Caller, Permission } from '../../core/permissions.ts'
import type {
  AckData,
  ClientEventName,
  clientEvents,
  ClientToServer,
  ServerToClient,
} from '../../core/protocol/index.ts'
import type { Presence } from '../auth/logins.ts'
import type { Deps } from '../deps.ts'

/** Whose socket it is, as of the last check (identity.ts). */
export type SocketData = Presence
export type AttuneServer = Server<ClientToServer, ServerToClient, Record<string, never>, SocketData>
export type AttuneSocket = Socket<ClientToServer, ServerToClient, Record<string, never>, SocketData>

/** What the handlers of a socket do with rooms. */
export interface Rooms {
  /**
   * Brings a socket up to date, by a snapshot or by the events missed since `since`, and keeps it up to date (rule P3).
   * @throws AttuneError not-found, for a session that is hidden from its person, too
   */
  join: (socket: AttuneSocket, sessionId: string, since: string | undefined) => Promise<AckData['join-session']>
  /**
   * Somebody has begun a vote in time: until it is cast, the sample's crowd value is hidden from them after closing,
   * too (rule V3).
   */
  begun: (userId: string, sampleId: string) => void
  leave: (socket: AttuneSocket, sessionId: string) => Promise<void>
  /** @throws AttuneError not-found, likewise */
  watchMetrics: (socket: AttuneSocket, sessionId: string) => Promise<void>
  unwatchMetrics: (socket: AttuneSocket, sessionId: string) => Promise<void>
  close: () => Promise<void>
}

/** What a handler works with. */
export interface Context {
  socket: AttuneSocket
  caller: Caller
  deps: Deps
  rooms: Rooms
}
/** One client event: the permission that it needs (rule S3), and what it does. The answer is its acknowledgement. */
export interface Handler<E extends ClientEventName> {
  needs: Permission
  handle: (context: Context, body: z.output<(typeof clientEvents)[E]>) => Promise<AckData[E]>
}
export type Handlers = { [E in ClientEventName]: Handler<E> }

/** All of somebody's sockets on this server. */
export const userRoom = (userId: string) => `user:${userId}`
/** Those that watch a session, and those that only watch its metrics. */
export const sessionRoom = (sessionId: string) => `session:${sessionId}`
export const metricsRoom = (sessionId: string) => `metrics:${sessionId}`
