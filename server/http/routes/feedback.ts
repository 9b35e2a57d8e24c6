import { z } from 'zod'
import { route } from './route.ts'
import { listVotes } from '../../../core/db/feedback.ts'
import { receiptsOfUser } from '../../../core/db/receipts.ts'
import { CrowdValue, HumanFeedback, limits, Receipt, SessionId, Uuid, Vote } from '../../../core/protocol/index.ts'
import { seen } from '../../sessions/admittance.ts'
import { castVote, takeBack } from '../../sessions/votes.ts'

const pageLimit = z.coerce.number().int().min(1).max(limits.pageItems).default(100)

export const feedbackRoutes = [
  route('post', '/api/feedback', {
    access: 'vote',
    summary: 'Vote on a sample; sending the same id again is safe',
    body: Vote,
    answer: HumanFeedback.extend({ crowd: CrowdValue.nullable(), duplicate: z.boolean() }),
    status: 201,
    async handle({ deps, caller, body, address }) {
      const { stored, ack } = await castVote(deps, caller, body, deps.sources.ofAddress(address))
      return { ...stored, crowd: ack.crowd, duplicate: ack.duplicate }
    },
  }),
  route('get', '/api/feedback/receipts', {
    access: 'own',
    summary: 'What came of my votes, newest first',
    query: z.object({ sessionId: SessionId.optional(), limit: pageLimit }),
    answer: z.array(Receipt),
    handle: ({ deps, caller, query }) => receiptsOfUser(deps.pool, caller.userId, query.limit, query.sessionId),
  }),
  route('get', '/api/feedback/:sessionId', {
    access: 'own',
    summary: "My votes of a session, newest first; everybody's for its owner and for reviewers",
    params: z.object({ sessionId: SessionId }),
    query: z.object({ before: Uuid.optional(), limit: pageLimit }),
    answer: z.array(HumanFeedback),
    async handle({ deps, caller, params: { sessionId }, query }) {
      const { userId } = await seen(deps.pool, caller, sessionId)
      const all = userId === caller.userId || caller.permissions.includes('review')
      return listVotes(deps.pool, { sessionId, ...(!all && { userId: caller.userId }), ...query })
    },
  }),
  route('delete', '/api/feedback/:feedbackId', {
    access: 'vote',
    summary: `Withdraw a vote, within ${limits.withdrawMs / 1000} seconds`,
    params: z.object({ feedbackId: Uuid }),
    answer: z.object({ id: Uuid }),
    handle: ({ deps, caller, params }) => takeBack(deps, caller, params.feedbackId),
  }),
]
