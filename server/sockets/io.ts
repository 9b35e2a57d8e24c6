import type { Server as HttpServer } from 'node:http'
import { Server, type Socket } from 'socket.io'
import type { Config } from '../config.ts'
import type { Core } from '../core.ts'
import { AttuneError, toAttuneError } from '../errors.ts'
import type { Presence } from '../auth/logins.ts'
import { limits, type ClientToServer, type ServerToClient } from '../protocol.ts'
import { originCheck } from '../app.ts'
import { dispatch } from './dispatch.ts'
import { attend, keepRechecking } from './identity.ts'
import { openRooms, type Rooms } from './room.ts'

/** Who has the socket, as last looked at (identity.ts). */
export type SocketData = Presence
export type AttuneServer = Server<ClientToServer, ServerToClient, Record<string, never>, SocketData>
export type AttuneSocket = Socket<ClientToServer, ServerToClient, Record<string, never>, SocketData>

/** The socket side of the server. `close` ends every connection. */
export function openSockets(http: HttpServer, core: Core, config: Pick<Config, 'allowedOrigins' | 'publicUrl'>): { io: AttuneServer; rooms: Rooms; close: () => Promise<void> } {
  const io: AttuneServer = new Server(http, {
    cors: { origin: originCheck(config) },
    // Beyond this the transport hangs up; up to it an oversized message gets its error (dispatch.ts).
    maxHttpBufferSize: 4 * limits.messageBytes,
    serveClient: false,
  })
  const rooms = openRooms(io, core)
  io.use((socket, next) => {
    authenticate(core, socket.handshake).then(
      (presence) => {
        Object.assign(socket.data, presence)
        next()
      },
      (error: unknown) => {
        const { code, message } = toAttuneError(error)
        next(Object.assign(new Error(message), { data: { code, message } }))
      },
    )
  })
  io.on('connection', (socket) => {
    void socket.join(userRoom(socket.data.caller.userId))
    attend(socket)
    dispatch(socket, core, rooms)
  })
  const rechecking = keepRechecking(io, core)
  return {
    io,
    rooms,
    async close() {
      rechecking.stop()
      await rooms.close()
      await io.close()
    },
  }
}

/** All of somebody's sockets on this server. */
export const userRoom = (userId: string) => `user:${userId}`

/** The token of `auth.token`, or as old clients send it: the Authorization header, or the query's `token` (rule S2). */
function authenticate(core: Core, { auth, headers, query }: Socket['handshake']): Promise<Presence> {
  const given: unknown = auth.token ?? /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? query.token
  if (typeof given !== 'string') return Promise.reject(new AttuneError('unauthenticated', 'send a token: io(url, { auth: { token } })'))
  return core.accounts.identify(given.replace(/^Bearer /i, ''))
}
