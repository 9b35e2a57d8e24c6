import { Interface, TypedDataEncoder, ZeroAddress, recoverAddress } from 'ethers'
import type { Address, Hex } from '../hex.ts'
import { type BountyOnChain, CLAIM_TO_TYPES, DISTRIBUTOR_DOMAIN, distributorInterface } from './abi.ts'
import { call, events, named, openProvider } from './rpc.ts'

export interface BountyChainOptions {
  rpcUrl: string
  chainId: number
  distributor: Address
  /** The symbol of the chain's own coin, and its decimals. */
  coin: TokenFacts
  timeoutMs?: number
}

/** What the chain says about bounties. Every query may throw LedgerError `unreachable`. */
export interface BountyChain {
  chainId: number
  /** In lower case. */
  distributor: Address
  head: () => Promise<bigint>
  /** Bounties that were funded in these blocks, both included; one that was funded twice is listed once. */
  fundedIn: (from: bigint, to: bigint) => Promise<FundedBounty[]>
  /** Null if it is unknown: a reorganisation may have undone its funding. */
  bounty: (id: Hex) => Promise<BountyState | null>
  /** When it was first funded; null if it is unknown. */
  since: (id: Hex) => Promise<Date | null>
  claimed: (id: Hex, account: Address) => Promise<bigint>
  /** Whether the claim's account has signed it (EIP-712; a contract account by ERC-1271). */
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
  const provider = openProvider(rpcUrl, chainId, timeoutMs)
  const contract = { address: distributor.toLowerCase() as Address, abi: distributorInterface }
  const pot = (id: Hex): Promise<BountyOnChain> => call<BountyOnChain>(provider, contract, 'bounties', [id])
  return {
    chainId,
    distributor: contract.address,
    head: () => named(async () => BigInt(await provider.getBlockNumber())),
    fundedIn: (fromBlock, toBlock) =>
      named(async () => {
        const funded = await events<Funded>(provider, contract, ['BountyFunded'], fromBlock, toBlock)
        const byId = new Map(
          funded.map(({ args: { bounty, session, sponsor, token } }) => [
            bounty,
            { id: bounty, session, sponsor, token },
          ]),
        )
        return [...byId.values()]
      }),
    bounty: (id) =>
      named(async () => {
        const { left, sponsor, closedAt, funded, perCredit } = await pot(id)
        if (sponsor === ZeroAddress) return null
        return { funded, pot: left, perCredit, closedAt: closedAt === 0 ? null : new Date(closedAt * 1_000) }
      }),
    since: (id) =>
      named(async () => {
        const { since } = await pot(id)
        return since === 0 ? null : new Date(since * 1_000)
      }),
    claimed: (id, account) => named(() => call<bigint>(provider, contract, 'claimed', [id, account])),
    hasSigned: (message, signature) =>
      named(async () => {
        const domain = { ...DISTRIBUTOR_DOMAIN, chainId, verifyingContract: contract.address }
        const hash = TypedDataEncoder.hash(domain, CLAIM_TO_TYPES, message)
        if (signerOf(hash, signature) === message.account) return true
        const account = { address: message.account, abi: erc1271 }
        return (await orNull(call<Hex>(provider, account, 'isValidSignature', [hash, signature]))) === ERC1271_VALID
      }),
    token: (token) =>
      token === ZeroAddress
        ? Promise.resolve(coin)
        : named(async () => {
            const facts = { address: token, abi: tokenFacts }
            const [symbol, decimals] = await Promise.all([
              orNull(call<string>(provider, facts, 'symbol')),
              orNull(call<number>(provider, facts, 'decimals')),
            ])
            return decimals === null ? null : { symbol: printable(symbol ?? ''), decimals }
          }),
  }
}

type Funded = { bounty: Hex; session: Hex; sponsor: Address; token: Address }
const tokenFacts = new Interface([
  'function symbol() view returns (string)',
  'function decimals() view returns (uint8)',
])
const erc1271 = new Interface(['function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)'])
const ERC1271_VALID = '0x1626ba7e'

/** Null if it is not a key's signature: it may be a contract account's. */
function signerOf(hash: string, signature: Hex): string | null {
  try {
    return recoverAddress(hash, signature).toLowerCase()
  } catch {
    return null
  }
}

/** What a contract returns; null if it has no such function, or there is no contract. */
async function orNull<T>(read: Promise<T>): Promise<T | null> {
  try {
    return await read
  } catch (error) {
    // An ethers error: the contract refused, or returned something else.
    if (error instanceof Error && 'shortMessage' in error) return null
    throw error
  }
}

/** Anybody can make a token: its symbol is shown as short, visible text. */
export const printable = (symbol: string): string => symbol.replace(/[^\x21-\x7e]/g, '').slice(0, 16) || 'token'
