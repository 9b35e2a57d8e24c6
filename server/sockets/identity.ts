import { userRoom, type AttuneServer, type AttuneSocket, type Handlers } from './socket.ts'
import type { Deps } from '../deps.ts'
import { AttuneError } from '../../core/errors.ts'
import type { Permission } from '../../core/permissions.ts'

/**
 * A socket is authenticated like a request (rule S2): it lasts as long as its login and its
 * token, may what its person may now, and stays theirs.
 */

/** Milliseconds between checks of every socket's login: covers events that were lost with Redis. */
const RECHECK_MS = 30_000
/** The longest delay of setTimeout, milliseconds. */
const MOST_TIMER_MS = 2 ** 31 - 1

const timers = new WeakMap<AttuneSocket, NodeJS.Timeout>()

/**
 * Ends the socket when its token does. The transport closes, so that a client comes back by itself, with a fresh token.
 */
export function attend(socket: AttuneSocket): void {
  if (timers.has(socket)) clearTimeout(timers.get(socket))
  else socket.once('disconnect', () => clearTimeout(timers.get(socket)))
  const left = socket.data.expiresAt - Date.now()
  const timer = setTimeout(
    () => (left > MOST_TIMER_MS ? attend(socket) : socket.conn.close()),
    Math.min(left, MOST_TIMER_MS),
  )
  timers.set(socket, timer)
}

/**
 * Before an event: its token has not expired, and, if something is to be done in the person's name,
 * the login still exists and the rights are current.
 *
 * @throws AttuneError unauthenticated
 */
export async function demandSignedIn(socket: AttuneSocket, deps: Deps, needs: Permission): Promise<void> {
  const { caller, login, expiresAt } = socket.data
  if (expiresAt <= Date.now())
    throw new AttuneError('unauthenticated', 'the token has expired: send the next one by authenticate')
  if (needs === 'read') return
  const [now] = await deps.accounts.again([{ userId: caller.userId, login }])
  if (now == null) {
    // After the acknowledgement.
    setImmediate(() => socket.disconnect(true))
    throw new AttuneError('unauthenticated', 'this sign-in has ended: sign in again')
  }
  socket.data.caller = now
}

export const identityHandlers: Pick<Handlers, 'authenticate'> = {
  authenticate: {
    needs: 'read',
    async handle({ deps, socket }, { token }) {
      const presence = await deps.accounts.identify(token)
      if (presence.caller.userId !== socket.data.caller.userId) {
        throw new AttuneError(
          'forbidden',
          'a socket stays with the person who opened it: connect anew as somebody else',
        )
      }
      Object.assign(socket.data, presence)
      attend(socket)
      return { userId: presence.caller.userId, expiresAt: new Date(presence.expiresAt).toISOString() }
    },
  },
}

/** Rechecks the logins of this server's sockets, or of one person's: sockets whose login has ended are closed. */
export async function recheck(io: AttuneServer, deps: Deps, userId?: string): Promise<void> {
  const { adapter, sockets } = io.of('/')
  const ids = userId === undefined ? sockets.keys() : (adapter.rooms.get(userRoom(userId)) ?? [])
  const concerned = [...ids].flatMap((id) => sockets.get(id) ?? [])
  const callers = await deps.accounts.again(
    concerned.map(({ data }) => ({ userId: data.caller.userId, login: data.login })),
  )
  for (const [i, socket] of concerned.entries()) {
    const caller = callers[i]!
    if (caller === null) socket.disconnect(true)
    else socket.data.caller = caller
  }
}

/** Rechecks every socket periodically. */
export function keepRechecking(io: AttuneServer, deps: Deps): { stop: () => void } {
  const timer = setInterval(() => {
    recheck(io, deps).catch((error: unknown) =>
      deps.log.warn({ err: error }, 'sign-ins could not be looked at; trying again'),
    )
  }, RECHECK_MS)
  return { stop: () => clearInterval(timer) }
}
