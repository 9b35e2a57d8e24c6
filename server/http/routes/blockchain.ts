import { z } from 'zod'
import { route } from './route.ts'
import { LedgerQuestion } from '../../rewards/rpc-proxy.ts'
import { listContributions, listRewards } from '../../rewards/contributions.ts'
import { manifestOf } from '../../../core/db/epochs.ts'
import { listEpochs } from '../../rewards/epochs.ts'
import { AttuneError } from '../../../core/errors.ts'
import { demandOwner } from '../../../core/permissions.ts'
import {
  ChainFacts,
  EpochIndex,
  Address,
  limits,
  ProofOfContribute,
  Uuid,
  VerifyContribution,
} from '../../../core/protocol/index.ts'

const params = z.object({ userId: Uuid })
const noChain = () =>
  new AttuneError(
    'unavailable',
    'this installation has no chain: set BLOCKCHAIN_RPC_URL, BLOCKCHAIN_NETWORK_ID and CONTRACT_ADDRESS',
  )

export const blockchainRoutes = [
  route('get', '/api/blockchain/contributions/:userId', {
    access: 'own',
    summary: "My contributions, newest first, each with its proof once it is on the chain; everybody's for reviewers",
    params,
    query: z.object({ limit: z.coerce.number().int().min(1).max(limits.pageItems).default(100) }),
    answer: z.array(ProofOfContribute),
    async handle({ deps, caller, params: { userId }, query }) {
      demandOwner(caller, userId, 'review')
      return listContributions(deps, userId, query.limit)
    },
  }),
  route('get', '/api/blockchain/rewards/:userId', {
    access: 'own',
    summary: 'Credit points: of confirmed epochs, and of those that wait for the chain',
    params,
    answer: z.object({
      userId: Uuid,
      totalRewards: z.number(),
      pendingRewards: z.number(),
      heldRewards: z.number(),
      contributions: z.int(),
    }),
    async handle({ deps, caller, params: { userId } }) {
      demandOwner(caller, userId, 'review')
      return listRewards(deps, userId)
    },
  }),
  route('get', '/api/blockchain/contracts', {
    access: 'public',
    summary: 'The chain and the contracts that this installation records and pays by',
    answer: ChainFacts,
    handle({ deps }) {
      if (deps.chain === null) throw noChain()
      return deps.chain.facts
    },
  }),
  route('get', '/api/blockchain/tokens/:address', {
    access: 'read',
    summary: 'What a token calls itself, and its decimals',
    params: z.object({ address: Address }),
    answer: z.object({ symbol: z.string(), decimals: z.int() }),
    cost: 3,
    async handle({ deps, params: { address } }) {
      if (deps.chain?.bounties == null) throw noChain()
      const token = await deps.chain.bounties.token(address.toLowerCase() as `0x${string}`)
      if (token === null)
        throw new AttuneError('invalid', `there is no token at ${address} on this chain`, { path: 'address' })
      return token
    },
  }),
  route('post', '/api/blockchain/verify-contribution', {
    access: 'public',
    summary: "Check a proof against the chain; nobody's word counts",
    body: VerifyContribution,
    answer: z.object({ valid: z.boolean(), reason: z.string().optional() }),
    cost: 5,
    async handle({ deps, body }) {
      if (deps.chain === null) throw noChain()
      return deps.chain.verify(body.proof)
    },
  }),
  route('get', '/api/blockchain/epochs', {
    access: 'public',
    summary: 'The newest epochs: what each holds, whether it is final, and what came of its disputes',
    query: z.object({ limit: z.coerce.number().int().min(1).max(limits.pageItems).default(50) }),
    answer: EpochIndex,
    cost: 3,
    async handle({ deps, query }) {
      if (deps.chain === null) throw noChain()
      return listEpochs(deps, deps.chain.epochs, query.limit)
    },
  }),
  route('get', '/api/blockchain/epochs/:epochId/manifest', {
    access: 'public',
    summary: 'What an epoch holds, byte for byte: the hash of it is on the chain',
    params: z.object({
      epochId: z.coerce
        .number()
        .int()
        .min(1)
        .max(2 ** 31 - 1),
    }),
    answer: z.string(),
    bare: 'application/jsonl',
    cost: 5,
    async handle({ deps, params: { epochId } }) {
      const manifest =
        deps.chain === null ? null : await manifestOf(deps.pool, deps.chain.chainId, deps.chain.ledger, epochId)
      if (manifest === null)
        throw new AttuneError('not-found', `epoch ${epochId} is not recorded on this installation's ledger`)
      return manifest
    },
  }),
  route('post', '/api/blockchain/rpc', {
    access: 'public',
    summary: "Ask the chain's node, by JSON-RPC: eth_chainId, and eth_call of the ledger and the distributor",
    body: LedgerQuestion,
    answer: z.unknown(),
    bare: 'application/json',
    async handle({ deps, body }) {
      if (deps.chain === null) throw noChain()
      return deps.chain.relay(body)
    },
  }),
]
