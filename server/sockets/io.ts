import type { IncomingMessage, Server as HttpServer } from 'node:http'
import { Server } from 'socket.io'
import { createBuckets } from '../limits/rate-limit.ts'
import type { Config } from '../../core/config.ts'
import type { Deps } from '../deps.ts'
import { AttuneError, toAttuneError } from '../../core/errors.ts'
import type { Presence } from '../auth/logins.ts'
import { limits } from '../../core/protocol/index.ts'
import { originCheck } from '../http/app.ts'
import { openAdmission } from './admission.ts'
import { dispatch } from './dispatch.ts'
import { closeUnread, endIfSilent } from './idle.ts'
import { attend, keepRechecking } from './identity.ts'
import { openRooms } from './room.ts'
import { userRoom, type AttuneServer, type AttuneSocket, type Rooms } from './socket.ts'

/** Milliseconds that a refused connection is left to read why. */
const REFUSED_MS = 1_000

/** The socket side of the server. `close` ends every connection. */
export function openSockets(
  http: HttpServer,
  deps: Deps,
  config: Pick<Config, 'allowedOrigins' | 'publicUrl' | 'sockets' | 'trustProxy'>,
): { io: AttuneServer; rooms: Rooms; close: () => Promise<void> } {
  const admission = openAdmission(config)
  const io: AttuneServer = new Server(http, {
    cors: { origin: originCheck(config) },
    // Beyond this the transport hangs up; up to it an oversized message gets its error (dispatch.ts).
    maxHttpBufferSize: 4 * limits.messageBytes,
    serveClient: false,
    // Many small messages: compressing each would cost more than it saves, and memory for every socket.
    perMessageDeflate: false,
    connectTimeout: limits.handshakeMs,
    allowRequest: (request, answer) => answer(null, admission.hears(request)),
  })
  io.engine.on(
    'connection',
    (connection: { request: IncomingMessage; once: (event: 'close', heard: () => void) => void }) => {
      connection.once('close', admission.connected(connection.request))
    },
  )
  const events = createBuckets(limits.personBurst, limits.personPerSecond)
  const rooms = openRooms(io, deps)
  io.use((socket, next) => {
    const enter = async (): Promise<void> => {
      admission.demandPlace(socket.request)
      Object.assign(socket.data, await authenticate(deps, socket.handshake))
      const leave = admission.signedIn(socket.data.caller.userId)
      socket.once('disconnect', leave)
      socket.conn.once('close', leave)
    }
    enter().then(
      () => next(),
      (error: unknown) => {
        const { code, message, retryAfter } = toAttuneError(error)
        next(
          Object.assign(new Error(message), {
            data: { code, message, ...(retryAfter !== undefined && { retryAfter }) },
          }),
        )
        // Clients close by themselves; one that doesn't has been told why.
        setTimeout(() => socket.conn.close(), REFUSED_MS).unref()
      },
    )
  })
  io.on('connection', (socket) => {
    void socket.join(userRoom(socket.data.caller.userId))
    endIfSilent(socket)
    attend(socket)
    dispatch(socket, deps, rooms, events)
  })
  const stopClosing = closeUnread(io)
  const rechecking = keepRechecking(io, deps)
  return {
    io,
    rooms,
    async close() {
      stopClosing()
      rechecking.stop()
      await rooms.close()
      await io.close()
    },
  }
}

/** The token of `auth.token`, or as old clients send it: the Authorization header, or the query's `token` (rule S2). */
function authenticate(deps: Deps, { auth, headers, query }: AttuneSocket['handshake']): Promise<Presence> {
  const given: unknown = auth.token ?? /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? query.token
  if (typeof given !== 'string')
    return Promise.reject(new AttuneError('unauthenticated', 'send a token: io(url, { auth: { token } })'))
  return deps.accounts.identify(given.replace(/^Bearer /i, ''))
}
