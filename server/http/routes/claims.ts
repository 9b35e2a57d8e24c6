import { z } from 'zod'
import { route } from './route.ts'
import { earningsOf, relayClaim } from '../../rewards/claims.ts'
import { Uuid, Earnings, RelayClaim } from '../../../core/protocol/index.ts'

export const claimRoutes = [
  route('get', '/api/claims', {
    access: 'own',
    summary: 'What I have earned from each bounty, and what of it can be claimed now',
    answer: Earnings,
    cost: 2,
    handle: ({ deps, caller }) => earningsOf(deps, caller),
  }),
  route('post', '/api/claims/relay', {
    access: 'own',
    summary: 'Have the server send a claim that my wallet has signed, and pay its fee',
    body: RelayClaim,
    answer: z.object({ id: Uuid }),
    status: 201,
    cost: 10,
    handle: ({ deps, caller, body }) => relayClaim(deps, caller, body),
  }),
]
