import { z } from 'zod'
import { route } from './route.ts'
import { bountiesOf, refundOf } from '../../rewards/bounties.ts'
import { votesSince } from '../../../core/db/feedback.ts'
import { ordersOf } from '../../../core/db/treasury-orders.ts'
import { Hash, SessionId, Uuid, OrderTreasury, Refund, SessionBounties } from '../../../core/protocol/index.ts'
import { seen } from '../../sessions/admittance.ts'
import { orderOf } from '../../rewards/treasury.ts'

/** The rate is that of the last ten minutes. */
const PACE_SECONDS = 600
/** How many of the treasury's orders are shown. */
const ORDERS = 5

export const bountyRoutes = [
  route('get', '/api/bounties/:sessionId', {
    access: 'read',
    summary: 'What the votes of a session earn, and how many there are at the present pace',
    params: z.object({ sessionId: SessionId }),
    answer: SessionBounties,
    async handle({ deps, caller, params: { sessionId } }) {
      await seen(deps.pool, caller, sessionId)
      const { chain, pool } = deps
      const [bounties, votes, orders] = await Promise.all([
        bountiesOf(deps, sessionId),
        votesSince(pool, sessionId, PACE_SECONDS),
        chain === null ? [] : ordersOf(pool, chain.chainId, sessionId, ORDERS),
      ])
      return {
        bounties,
        treasury: chain?.treasury?.address ?? null,
        orders,
        votesPerHour: (votes * 3_600) / PACE_SECONDS,
      }
    },
  }),
  route('post', '/api/bounties/:sessionId/treasury', {
    access: 'administer',
    summary: 'Have the treasury fund a session, or change, close and take back what it funded',
    params: z.object({ sessionId: SessionId }),
    body: OrderTreasury,
    answer: z.object({ id: Uuid }),
    status: 201,
    cost: 5,
    handle: ({ deps, caller, params, body }) => orderOf(deps, caller, params.sessionId, body),
  }),
  route('get', '/api/bounties/:sessionId/:bountyId/refund', {
    access: 'read',
    summary: 'What the distributor has to be told to return what a closed bounty never owed',
    params: z.object({ sessionId: SessionId, bountyId: Hash }),
    answer: Refund,
    cost: 2,
    async handle({ deps, caller, params: { sessionId, bountyId } }) {
      await seen(deps.pool, caller, sessionId)
      return refundOf(deps, sessionId, bountyId)
    },
  }),
]
