import type { Handlers } from './socket.ts'
import { sessionBasics } from '../../core/db/sessions.ts'

/** Joining and leaving a session's room. */
export const roomHandlers: Pick<
  Handlers,
  'join-session' | 'leave-session' | 'subscribe-metrics' | 'unsubscribe-metrics'
> = {
  'join-session': {
    needs: 'read',
    async handle({ deps, socket, rooms }, { sessionId, since }) {
      await sessionBasics(deps.pool, sessionId)
      return rooms.join(socket, sessionId, since)
    },
  },
  'leave-session': {
    needs: 'read',
    async handle({ socket, rooms }, sessionId) {
      await rooms.leave(socket, sessionId)
      return { sessionId }
    },
  },
  'subscribe-metrics': {
    needs: 'read',
    async handle({ deps, socket, rooms }, sessionId) {
      await sessionBasics(deps.pool, sessionId)
      await rooms.watchMetrics(socket, sessionId)
      return { sessionId }
    },
  },
  'unsubscribe-metrics': {
    needs: 'read',
    async handle({ socket, rooms }, sessionId) {
      await rooms.unwatchMetrics(socket, sessionId)
      return { sessionId }
    },
  },
}
