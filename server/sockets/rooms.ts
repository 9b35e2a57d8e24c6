import type { Handlers } from './socket.ts'

/** Joining and leaving a session's room. */
export const roomHandlers: Pick<
  Handlers,
  'join-session' | 'leave-session' | 'subscribe-metrics' | 'unsubscribe-metrics'
> = {
  'join-session': {
    needs: 'read',
    handle: ({ socket, rooms }, { sessionId, since }) => rooms.join(socket, sessionId, since),
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
    async handle({ socket, rooms }, sessionId) {
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
