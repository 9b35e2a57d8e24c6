import type { Handlers } from './socket.ts'
import { ask } from '../sessions/training.ts'

/** A rater's own question. */
export const askHandlers: Pick<Handlers, 'ask'> = {
  ask: {
    needs: 'ask',
    handle: ({ core, caller }, { sessionId, prompt }) => ask(core, caller, sessionId, prompt),
  },
}
