import {
  type Address,
  BaseError,
  hashTypedData,
  type Hex,
  HttpRequestError,
  parseAbi,
  recoverAddress,
  TimeoutError,
  zeroAddress,
} from 'viem'
import { CLAIM_TO_TYPES, DISTRIBUTOR_DOMAIN, distributorAbi } from './abi-viem.ts'
import { named, openClient } from './chain.ts'

export interface BountyChainOptions {
  rpcUrl: string
  chainId: number
  distributor: Address
  /** The symbol of the chain's own coin, and its decimals. */
  coin: TokenFacts
  timeoutMs?: number
}

/** What the chain says about bounties. Every question may throw LedgerError `unreachable`. */
export interface BountyChain {
  chainId: number
  /** In lower case. */
  distributor: Address
  head: () => Promise<bigint>
  /** Bounties that were funded in these blocks, both included; one that was funded twice comes once. */
  fundedIn: (from: bigint, to: bigint) => Promise<FundedBounty[]>
  /** Null where it is unknown: a reorganisation may have taken its funding back. */
  bounty: (id: Hex) => Promise<BountyState | null>
  /** When it was first funded; null where it is unknown. */
  since: (id: Hex) => Promise<Date | null>
  claimed: (id: Hex, account: Address) => Promise<bigint>
  /** Whether the claim's account has signed for it (EIP-712; a contract account by ERC-1271). */
  hasSigned: (terms: ClaimTerms, signature: Hex) => Promise<boolean>
  /** Null where there is no token at the address. */
  token: (token: Address) => Promise<TokenFacts | null>
}

export interface FundedBounty {
  id: Hex
  /** keccak-256 of the session's id. */
  session: Hex
  sponsor: Address
  token: Address
}
/** Amounts in the token's smallest unit. */
export interface BountyState {
  /** Less what was returned. */
  funded: bigint
  /** Less what was paid out as well. */
  pot: bigint
  perCredit: bigint
  closedAt: Date | null
}
/** What a relayed claim's signature is over. */
export interface ClaimTerms {
  bounty: Hex
  /** In lower case. */
  account: Address
  amount: bigint
  recipient: Address
  /** Seconds since 1970. */
  deadline: bigint
}
export interface TokenFacts {
  symbol: string
  decimals: number
}

export function openBountyChain({
  rpcUrl,
  chainId,
  distributor,
  coin,
  timeoutMs = 5_000,
}: BountyChainOptions): BountyChain {
  const client = openClient(rpcUrl, chainId, timeoutMs)
  const contract = { address: distributor.toLowerCase() as Address, abi: distributorAbi } as const
  return {
    chainId,
    distributor: contract.address,
    head: () => named(() => client.getBlockNumber({ cacheTime: 0 })),
    fundedIn: (fromBlock, toBlock) =>
      named(async () => {
        const events = await client.getContractEvents({
          ...contract,
          eventName: 'BountyFunded',
          fromBlock,
          toBlock,
          strict: true,
        })
        const byId = new Map(
          events.map(({ args: { bounty, session, sponsor, token } }) => [
            bounty,
            { id: bounty, session, sponsor: lower(sponsor), token: lower(token) },
          ]),
        )
        return [...byId.values()]
      }),
    bounty: (id) =>
      named(async () => {
        const [, left, sponsor, closedAt, funded, perCredit] = await client.readContract({
          ...contract,
          functionName: 'bounties',
          args: [id],
        })
        if (sponsor === zeroAddress) return null
        return { funded, pot: left, perCredit, closedAt: closedAt === 0 ? null : new Date(closedAt * 1_000) }
      }),
    since: (id) =>
      named(async () => {
        const [, , , , , , since] = await client.readContract({ ...contract, functionName: 'bounties', args: [id] })
        return since === 0 ? null : new Date(since * 1_000)
      }),
    claimed: (id, account) =>
      named(() => client.readContract({ ...contract, functionName: 'claimed', args: [id, account] })),
    hasSigned: (message, signature) =>
      named(async () => {
        const domain = { ...DISTRIBUTOR_DOMAIN, chainId, verifyingContract: contract.address }
        const hash = hashTypedData({ domain, types: CLAIM_TO_TYPES, primaryType: 'ClaimTo', message })
        // What is no signature of a key may be a contract account's.
        const signer = await recoverAddress({ hash, signature }).catch(() => null)
        if (signer?.toLowerCase() === message.account) return true
        return (
          (await orNull(
            client.readContract({
              address: message.account,
              abi: erc1271,
              functionName: 'isValidSignature',
              args: [hash, signature],
            }),
          )) === ERC1271_VALID
        )
      }),
    token: (token) =>
      token === zeroAddress
        ? Promise.resolve(coin)
        : named(async () => {
            const facts = { address: token, abi: tokenFacts } as const
            const [symbol, decimals] = await Promise.all([
              orNull(client.readContract({ ...facts, functionName: 'symbol' })),
              orNull(client.readContract({ ...facts, functionName: 'decimals' })),
            ])
            return decimals === null ? null : { symbol: printable(symbol ?? ''), decimals }
          }),
  }
}

const tokenFacts = parseAbi(['function symbol() view returns (string)', 'function decimals() view returns (uint8)'])
const erc1271 = parseAbi(['function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)'])
const ERC1271_VALID = '0x1626ba7e'
const lower = (address: Address) => address.toLowerCase() as Address

/** What a contract answers; null where it has no such function, or there is no contract. */
async function orNull<T>(read: Promise<T>): Promise<T | null> {
  try {
    return await read
  } catch (error) {
    if (
      error instanceof BaseError &&
      error.walk((cause) => cause instanceof HttpRequestError || cause instanceof TimeoutError) === null
    )
      return null
    throw error
  }
}

/** Anybody can make a token: its symbol is shown as short, visible text. */
export const printable = (symbol: string): string => symbol.replace(/[^\x21-\x7e]/g, '').slice(0, 16) || 'token'
