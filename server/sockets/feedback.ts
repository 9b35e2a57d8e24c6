import type { Handlers } from './dispatch.ts'
import { castVote, takeBack } from '../votes.ts'

/** Votes. The room hears of them through its log (room.ts), whichever server they came in by. */
export const feedbackHandlers: Pick<Handlers, 'submit-feedback' | 'withdraw-feedback'> = {
  'submit-feedback': {
    needs: 'vote',
    handle: async ({ core, caller }, vote) => (await castVote(core, caller, vote)).ack,
  },
  'withdraw-feedback': {
    needs: 'vote',
    handle: ({ core, caller }, id) => takeBack(core, caller, id),
  },
}
