import { type Address, type Hex, parseGwei } from 'viem'
import { openLedger } from '../contracts/chain.ts'
import { LedgerError } from '../contracts/errors.ts'
import { NETWORKS, type Network } from '../contracts/networks.ts'
import { contributionLeaf, type LeafFields } from '../contracts/leaf.ts'
import { openBountyChain } from './bounty-chain.ts'
import { openClaimSender } from './claim-sender.ts'
import { relayQuestion } from './chain-relay.ts'
import type { Config } from './config.ts'
import type { ChainReader } from './core.ts'
import { openEpochChain } from './epoch-chain.ts'
import type { MerkleProof } from './protocol.ts'
import { openTreasurySender } from './treasury-sender.ts'

/** Reads the configured contracts; null where none is configured. */
export function openChainReader({ networkId: chainId, rpcUrl, contractAddress, distributorAddress, relayer, treasurer }: Config['blockchain']): ChainReader | null {
  if (chainId === undefined || rpcUrl === undefined || contractAddress === undefined) return null
  const address = contractAddress.toLowerCase() as Address
  const distributor = distributorAddress === undefined ? null : (distributorAddress.toLowerCase() as Address)
  const ledger = openLedger({ rpcUrl, address, chainId, timeoutMs: 5_000, ...(distributor !== null && { distributor }) })
  const network = NETWORKS.find((one) => one.chainId === chainId)
  const coin = network?.currency ?? { symbol: 'ETH', decimals: 18 }
  const at = { rpcUrl, chainId }
  return {
    chainId,
    ledger: address,
    facts: {
      chainId,
      name: network?.title ?? `Chain ${chainId}`,
      coin,
      rpcUrl: publicNode(network),
      explorer: network?.explorer || null,
      ledger: address,
      distributor,
    },
    epochs: openEpochChain({ ...at, ledger: address }),
    bounties: distributor === null ? null : openBountyChain({ ...at, distributor, coin }),
    relayer: distributor === null || relayer === null ? null : openClaimSender({ ...at, distributor, privateKey: relayer.privateKey, maxFeePerGas: parseGwei(relayer.maxFeeGwei) }),
    treasury: distributor === null || treasurer === null ? null : openTreasurySender({ ...at, privateKey: treasurer.privateKey, maxFeePerGas: parseGwei(treasurer.maxFeeGwei) }),
    check: () => ledger.check(),
    epochStatus: (epochId) => ledger.status(epochId),
    relay: (question) => relayQuestion(rpcUrl, distributor === null ? [address] : [address, distributor], question),
    async verify(given) {
      const leaf = given.leaf as Hex
      const proof = given.proof as Hex[]
      const leafFields = fieldsOf(given.leafFields)
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

/** The schema has made sure of the digits. The contract's own encoding wants an address's letters to be all of one case, or its checksum's. */
const fieldsOf = ({ ledger, session, contributor, recordHash, ...rest }: MerkleProof['leafFields']): LeafFields => ({
  ...rest,
  ledger: ledger.toLowerCase(),
  session: session as Hex,
  contributor: contributor as Hex,
  recordHash: recordHash as Hex,
})
