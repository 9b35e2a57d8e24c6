import { z } from 'zod'
import { route } from './route.ts'
import { listContributions, listRewards } from '../contributions.ts'
import { AttuneError } from '../errors.ts'
import { demandOwner } from '../permissions.ts'
import { limits, ProofOfContribute, Uuid, VerifyContribution } from '../protocol.ts'

const params = z.object({ userId: Uuid })

export const blockchainRoutes = [
  route('get', '/api/blockchain/contributions/:userId', {
    access: 'own',
    summary: "My contributions, newest first, each with its proof once it is on the chain; everybody's for reviewers",
    params,
    query: z.object({ limit: z.coerce.number().int().min(1).max(limits.pageItems).default(100) }),
    answer: z.array(ProofOfContribute),
    async handle({ core, caller, params: { userId }, query }) {
      demandOwner(caller, userId, 'review')
      return listContributions(core, userId, query.limit)
    },
  }),
  route('get', '/api/blockchain/rewards/:userId', {
    access: 'own',
    summary: 'Credit points: of confirmed epochs, and of those that wait for the chain',
    params,
    answer: z.object({ userId: Uuid, totalRewards: z.number(), pendingRewards: z.number(), contributions: z.int() }),
    async handle({ core, caller, params: { userId } }) {
      demandOwner(caller, userId, 'review')
      return listRewards(core, userId)
    },
  }),
  route('post', '/api/blockchain/verify-contribution', {
    access: 'public',
    summary: "Check a proof against the chain; nobody's word counts",
    body: VerifyContribution,
    answer: z.object({ valid: z.boolean(), reason: z.string().optional() }),
    cost: 5,
    async handle({ core, body }) {
      if (core.chain === null) throw new AttuneError('unavailable', 'this installation has no chain: set BLOCKCHAIN_RPC_URL and CONTRACT_ADDRESS')
      return core.chain.verify(body.proof)
    },
  }),
]
