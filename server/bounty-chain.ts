import { type Address, BaseError, type Hex, HttpRequestError, parseAbi, TimeoutError, zeroAddress } from 'viem'
import { distributorAbi } from '../contracts/abi.ts'
import { named, openClient } from '../contracts/chain.ts'

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
  claimed: (id: Hex, account: Address) => Promise<bigint>
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
export interface TokenFacts {
  symbol: string
  decimals: number
}

export function openBountyChain({ rpcUrl, chainId, distributor, coin, timeoutMs = 5_000 }: BountyChainOptions): BountyChain {
  const client = openClient(rpcUrl, chainId, timeoutMs)
  const contract = { address: distributor.toLowerCase() as Address, abi: distributorAbi } as const
  return {
    chainId,
    distributor: contract.address,
    head: () => named(() => client.getBlockNumber({ cacheTime: 0 })),
    fundedIn: (fromBlock, toBlock) =>
      named(async () => {
        const events = await client.getContractEvents({ ...contract, eventName: 'BountyFunded', fromBlock, toBlock, strict: true })
        const byId = new Map(events.map(({ args: { bounty, session, sponsor, token } }) => [bounty, { id: bounty, session, sponsor: lower(sponsor), token: lower(token) }]))
        return [...byId.values()]
      }),
    bounty: (id) =>
      named(async () => {
        const [, left, sponsor, closedAt, funded, perCredit] = await client.readContract({ ...contract, functionName: 'bounties', args: [id] })
        if (sponsor === zeroAddress) return null
        return { funded, pot: left, perCredit, closedAt: closedAt === 0 ? null : new Date(closedAt * 1_000) }
      }),
    claimed: (id, account) => named(() => client.readContract({ ...contract, functionName: 'claimed', args: [id, account] })),
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
const lower = (address: Address) => address.toLowerCase() as Address

/** What a contract answers; null where it has no such function, or there is no contract. */
async function orNull<T>(read: Promise<T>): Promise<T | null> {
  try {
    return await read
  } catch (error) {
    if (error instanceof BaseError && error.walk((cause) => cause instanceof HttpRequestError || cause instanceof TimeoutError) === null) return null
    throw error
  }
}

/** Anybody can make a token: its symbol is shown as short, visible text. */
export const printable = (symbol: string): string => symbol.replace(/[^\x21-\x7e]/g, '').slice(0, 16) || 'token'
