import { z } from 'zod'
import { route } from './route.ts'
import { decide, fileAppeal } from '../../rewards/appeals.ts'
import { appealCases, appealsOf } from '../../../core/db/appeals.ts'
import { limits, Uuid, Appeal, AppealCase, DecideAppeal, FileAppeal } from '../../../core/protocol/index.ts'

const limit = z.coerce.number().int().min(1).max(limits.pageItems).default(100)

export const appealRoutes = [
  route('post', '/api/appeals', {
    access: 'own',
    summary: 'Appeal what is recorded of a vote of mine, before its epoch is final',
    body: FileAppeal,
    answer: z.object({ id: Uuid }),
    status: 201,
    cost: 2,
    handle: ({ deps, caller, body }) => fileAppeal(deps, caller, body),
  }),
  route('get', '/api/appeals/mine', {
    access: 'own',
    summary: 'My appeals and what came of them, newest first',
    query: z.object({ limit }),
    answer: z.array(Appeal),
    handle: ({ deps, caller, query }) => appealsOf(deps.pool, caller.userId, query.limit),
  }),
  route('get', '/api/appeals', {
    access: 'adjudicate',
    summary: 'Appeals with their votes: those that wait, oldest first, or those that were decided, latest first',
    query: z.object({ state: z.enum(['open', 'decided']).default('open'), limit }),
    answer: z.array(AppealCase),
    handle: ({ deps, caller, query }) => appealCases(deps.pool, caller.userId, query.state === 'open', query.limit),
  }),
  route('post', '/api/appeals/:appealId/decision', {
    access: 'adjudicate',
    summary: 'Decide an appeal, once: upheld, the vote is counted in full from the next epoch on',
    params: z.object({ appealId: Uuid }),
    body: DecideAppeal,
    answer: z.object({ id: Uuid }),
    handle: ({ deps, caller, params, body }) => decide(deps, caller, params.appealId, body),
  }),
]
