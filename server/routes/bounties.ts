import { z } from 'zod'
import { route } from './route.ts'
import { bountiesOf, refundOf } from '../bounties.ts'
import { votesSince } from '../db/bounties.ts'
import { sessionBasics } from '../db/sessions.ts'
import { Hash, SessionId } from '../protocol.ts'
import { Refund, SessionBounties } from '../protocol-rewards.ts'

/** The pace is that of the last ten minutes. */
const PACE_SECONDS = 600

export const bountyRoutes = [
  route('get', '/api/bounties/:sessionId', {
    access: 'read',
    summary: 'What the votes of a session earn, and how many there are at the present pace',
    params: z.object({ sessionId: SessionId }),
    answer: SessionBounties,
    async handle({ core, params: { sessionId } }) {
      await sessionBasics(core.pool, sessionId)
      const [bounties, votes] = await Promise.all([bountiesOf(core, sessionId), votesSince(core.pool, sessionId, PACE_SECONDS)])
      return { bounties, votesPerHour: (votes * 3_600) / PACE_SECONDS }
    },
  }),
  route('get', '/api/bounties/:sessionId/:bountyId/refund', {
    access: 'read',
    summary: 'What the distributor has to be told to return what a closed bounty never owed',
    params: z.object({ sessionId: SessionId, bountyId: Hash }),
    answer: Refund,
    cost: 2,
    handle: ({ core, params }) => refundOf(core, params.sessionId, params.bountyId),
  }),
]
