import { parseUnits } from 'ethers'
import { z } from 'zod'
import { openLedger } from '../../contracts/ledger/client/chain.ts'
import { LedgerError } from '../../contracts/ledger/errors.ts'
import type { Address } from '../../contracts/ledger/hex.ts'
import { NETWORKS, type Network } from '../../contracts/ledger/client/networks.ts'
import { contributionLeaf } from '../../contracts/ledger/epoch/leaf.ts'
import { openBountyChain } from '../../contracts/ledger/client/bounties.ts'
import { openClaimSender } from './claim-sender.ts'
import { relayQuestion } from './rpc-proxy.ts'
import type { Config } from '../../core/config.ts'
import type { ChainReader } from '../deps.ts'
import { openEpochChain } from '../../contracts/ledger/client/epochs.ts'
import { AttuneError } from '../../core/errors.ts'
import type { MerkleProof } from '../../core/protocol/index.ts'
import { openTreasurySender } from './treasury-sender.ts'

/** Reads the configured contracts; null if none is configured. */
export function openChainReader({
  networkId: chainId,
  rpcUrl,
  contractAddress,
  distributorAddress,
  relayer,
  treasurer,
}: Config['blockchain']): ChainReader | null {
  if (chainId === undefined || rpcUrl === undefined || contractAddress === undefined) return null
  const address = contractAddress.toLowerCase() as Address
  const distributor = distributorAddress === undefined ? null : (distributorAddress.toLowerCase() as Address)
  const ledger = openLedger({
    rpcUrl,
    address,
    chainId,
    timeoutMs: 5_000,
    ...(distributor !== null && { distributor }),
  })
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
    relayer:
      distributor === null || relayer === null
        ? null
        : openClaimSender({
            ...at,
            distributor,
            privateKey: relayer.privateKey,
            maxFeePerGas: parseUnits(relayer.maxFeeGwei, 'gwei'),
          }),
    treasury:
      distributor === null || treasurer === null
        ? null
        : openTreasurySender({
            ...at,
            privateKey: treasurer.privateKey,
            maxFeePerGas: parseUnits(treasurer.maxFeeGwei, 'gwei'),
          }),
    check: () => ledger.check(),
    epochStatus: (epochId) => ledger.status(epochId),
    relay: (question) => relayQuestion(rpcUrl, distributor === null ? [address] : [address, distributor], question),
    async verify(given) {
      const { leaf, leafFields, proof } = wellFormed(given)
      if (contributionLeaf(leafFields) !== leaf)
        return { valid: false, reason: 'the leaf is not the hash of its fields' }
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

/** A public node: the configured one's URL may contain a key. */
const publicNode = (network: Network | undefined): string | null =>
  network === undefined || network.name === 'private' ? null : network.rpcUrl

/** @throws AttuneError invalid with the path, if a proof could not be passed to the contract at all */
export function wellFormed(given: MerkleProof): z.output<typeof Proof> {
  const parsed = Proof.safeParse(given)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new AttuneError('invalid', issue?.message ?? 'this is no proof', {
    path: ['proof', ...(issue?.path ?? [])].join('.'),
  })
}

const hash = z.templateLiteral(
  ['0x', z.string().regex(/^[0-9a-f]{64}$/)],
  'a hash is 0x and 64 hex digits in lower case',
)
/** Checks continue after one has failed: none may depend on another. */
const uint = z
  .string()
  .refine(
    (digits) => /^(0|[1-9][0-9]{0,77})$/.test(digits) && BigInt(digits) < 2n ** 256n,
    'a whole number below 2^256, in decimal digits',
  )
const Proof = z.object({
  leaf: hash,
  leafFields: z.object({
    chainId: uint,
    // In lower case: mixed case is a checksum, and the encoding rejects a wrong one.
    ledger: z
      .string()
      .regex(/^0x[0-9a-f]{40}$/i, 'an address is 0x and 40 hex digits')
      .transform((address) => address.toLowerCase()),
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
