import type { Handlers } from './socket.ts'
import { ask } from '../sessions/training.ts'

/** A rater's own question. */
export const askHandlers: Pick<Handlers, 'ask'> = {
  ask: {
    needs: 'ask',
    handle: ({ deps, caller }, { sessionId, prompt }) => ask(deps, caller, sessionId, prompt),
  },
}
