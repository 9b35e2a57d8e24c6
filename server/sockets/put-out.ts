import { metricsRoom, sessionRoom, userRoom, type AttuneServer, type AttuneSocket } from './socket.ts'
import { whetherSeen } from '../../core/db/audience.ts'
import type { Deps } from '../deps.ts'
import { readerOf } from '../sessions/admittance.ts'

/** All sockets of this server, or those in a session's rooms, or those of a person. */
interface Only {
  sessionId?: string
  userId?: string
}

/**
 * Puts those sockets out of their rooms who may no longer see the session. The connection is closed, too: a client that
 * comes back asks for the session again, and hears that there is none.
 */
export async function putOut(io: AttuneServer, deps: Pick<Deps, 'pool'>, only: Only = {}): Promise<void> {
  const inside = insiders(io, only)
  if (inside.length === 0) return
  const asked = inside.map(({ socket, sessionId }) => ({ sessionId, ...readerOf(socket.data.caller) }))
  const stay = await whetherSeen(deps.pool, asked)
  for (const [i, { socket, sessionId }] of inside.entries()) {
    if (stay[i] === true) continue
    void socket.leave(sessionRoom(sessionId))
    void socket.leave(metricsRoom(sessionId))
    socket.conn.close()
  }
}

/** Each of the sockets with each of the sessions that it watches. */
function insiders(io: AttuneServer, { sessionId, userId }: Only): { socket: AttuneSocket; sessionId: string }[] {
  const { adapter, sockets } = io.of('/')
  const ids = userId === undefined ? sockets.keys() : (adapter.rooms.get(userRoom(userId)) ?? [])
  return [...ids].flatMap((id) => {
    const socket = sockets.get(id)
    if (socket === undefined) return []
    const watched = sessionId === undefined ? sessionsOf(socket) : [sessionId].filter((one) => isIn(socket, one))
    return watched.map((one) => ({ socket, sessionId: one }))
  })
}

const isIn = ({ rooms }: AttuneSocket, sessionId: string): boolean =>
  rooms.has(sessionRoom(sessionId)) || rooms.has(metricsRoom(sessionId))

const sessionsOf = ({ rooms }: AttuneSocket): string[] => [
  ...new Set([...rooms].flatMap((room) => /^(?:session|metrics):(.+)$/.exec(room)?.[1] ?? [])),
]
