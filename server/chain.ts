import type { Address } from 'viem'
import { z } from 'zod'
import { openLedger } from '../contracts/chain.ts'
import { LedgerError } from '../contracts/errors.ts'
import { NETWORKS, type Network } from '../contracts/networks.ts'
import { contributionLeaf } from '../contracts/leaf.ts'
import { openBountyChain } from './bounty-chain.ts'
import { relayQuestion } from './chain-relay.ts'
import type { Config } from './config.ts'
import type { ChainReader } from './core.ts'

/** Reads the configured ledger; null where none is configured. */
export function openChainReader({ networkId, rpcUrl, contractAddress, distributorAddress }: Config['blockchain']): ChainReader | null {
  if (networkId === undefined || rpcUrl === undefined || contractAddress === undefined) return null
  const ledger = openLedger({ rpcUrl, address: contractAddress as Address, chainId: networkId, timeoutMs: 5_000 })
  const network = NETWORKS.find(({ chainId }) => chainId === networkId)
  const coin = network?.currency ?? { symbol: 'ETH', decimals: 18 }
  const distributor = distributorAddress === undefined ? null : (distributorAddress.toLowerCase() as Address)
  return {
    chainId: networkId,
    ledger: contractAddress.toLowerCase(),
    facts: {
      chainId: networkId,
      name: network?.title ?? `Chain ${networkId}`,
      coin,
      rpcUrl: publicNode(network),
      explorer: network?.explorer || null,
      ledger: contractAddress.toLowerCase(),
      distributor,
    },
    bounties: distributor === null ? null : openBountyChain({ rpcUrl, chainId: networkId, distributor, coin }),
    check: () => ledger.check(),
    epochStatus: (epochId) => ledger.status(epochId),
    relay: (question) => relayQuestion(rpcUrl, distributor === null ? [contractAddress] : [contractAddress, distributor], question),
    async verify(given) {
      const parsed = Proof.safeParse(given)
      if (!parsed.success) return { valid: false, reason: `${parsed.error.issues[0]?.path.join('.') ?? 'proof'} is malformed` }
      const { leaf, leafFields, proof } = parsed.data
      if (contributionLeaf(leafFields) !== leaf) return { valid: false, reason: 'the leaf is not the hash of its fields' }
      try {
        const valid = await ledger.verify(leafFields, proof)
        return valid ? { valid } : { valid, reason: 'the ledger has no such contribution' }
      } catch (error) {
        if (!(error instanceof LedgerError) || error.code !== 'reverted') throw error
        return { valid: false, reason: 'the ledger has no such contribution' }
      }
    },
  }
}

/** A node that everybody may ask: the configured one may hold a key in its URL. */
const publicNode = (network: Network | undefined): string | null => (network === undefined || network.name === 'private' ? null : network.rpcUrl)

const hash = z.templateLiteral(['0x', z.string().regex(/^[0-9a-f]{64}$/)])
const uint = z.string().regex(/^(0|[1-9][0-9]{0,77})$/).refine((digits) => BigInt(digits) < 2n ** 256n)
/** What can be put to the contract at all. */
const Proof = z.object({
  leaf: hash,
  leafFields: z.object({
    chainId: uint,
    ledger: z.string().regex(/^0x[0-9a-f]{40}$/i),
    epochId: uint,
    index: uint,
    session: hash,
    contributor: hash,
    kind: z.int().min(0).max(4),
    credit: uint,
    recordHash: hash,
  }),
  proof: z.array(hash).max(64),
})
