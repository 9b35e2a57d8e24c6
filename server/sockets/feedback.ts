import type { Handlers } from './socket.ts'
import { beginVote } from '../sessions/begun.ts'
import { castVote, takeBack } from '../sessions/votes.ts'

/** Votes. The room is notified of them through its log (room.ts), whichever server received them. */
export const feedbackHandlers: Pick<Handlers, 'begin-vote' | 'submit-feedback' | 'withdraw-feedback'> = {
  'begin-vote': {
    needs: 'vote',
    async handle({ deps, caller, rooms }, begun) {
      const answer = await beginVote(deps, caller, begun)
      if (answer.countsForMs !== null) rooms.begun(caller.userId, begun.sampleId)
      return answer
    },
  },
  'submit-feedback': {
    needs: 'vote',
    handle: async ({ deps, caller, socket }, vote) =>
      (await castVote(deps, caller, vote, deps.sources.ofRequest(socket.request))).ack,
  },
  'withdraw-feedback': {
    needs: 'vote',
    handle: ({ deps, caller }, id) => takeBack(deps, caller, id),
  },
}
