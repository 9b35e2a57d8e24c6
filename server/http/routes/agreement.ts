import { z } from 'zod'
import { route } from './route.ts'
import { Agreement, PowerQuery, SessionId } from '../../../core/protocol/index.ts'
import { readAgreement } from '../../sessions/agreement.ts'

export const agreementRoutes = [
  route('get', '/api/training/:sessionId/agreement', {
    access: 'train',
    summary:
      'How well the raters of a run of mine agree, and how long it takes to know what they think: with as many people, votes and digits as the query says',
    params: z.object({ sessionId: SessionId }),
    query: PowerQuery,
    answer: Agreement,
    cost: 10,
    handle: ({ deps, caller, params, query }) => readAgreement(deps, caller, params.sessionId, query),
  }),
]
