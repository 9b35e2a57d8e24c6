import type { Address, Hex } from '../hex.ts'
import { type EpochOnChain, type LedgerState, ledgerInterface } from './abi.ts'
import { call, events, named, openProvider } from './rpc.ts'

/** What the chain says about epochs and disputes. Every query may throw LedgerError `unreachable`. */
export interface EpochChain {
  chainId: number
  /** In lower case. */
  ledger: Address
  head: () => Promise<bigint>
  /** The newest final epoch; 0 before the first. */
  lastFinal: () => Promise<number>
  /** The newest epoch, and when it was recorded: 0, and null, before the first. */
  newest: () => Promise<{ epochId: number; submittedAt: Date | null }>
  /** When an epoch's window ends, unless a dispute holds it up; null if there is no such epoch. */
  windowEnd: (epochId: number) => Promise<Date | null>
  standing: () => Promise<Standing>
  /** What happened to disputes in these blocks, both included. */
  disputesIn: (from: bigint, to: bigint) => Promise<DisputeEvent[]>
}

export interface Standing {
  /** 0 before the first. */
  lastEpochId: number
  lastFinalId: number
  disputedEpochId: number | null
  /** What a dispute costs until it is upheld, wei. */
  bond: bigint
  /** Since when a dispute has held up, or did hold up, what was not final then; null before the first. */
  frozenAt: Date | null
  /** When what it held up becomes final at the earliest, once it is decided. */
  resumesAt: Date | null
}

/** When an epoch becomes final by the ledger's rules; null while an open dispute holds it up. */
export function finalAtOf(windowEnd: Date, { disputedEpochId, frozenAt, resumesAt }: Standing): Date | null {
  if (frozenAt === null || windowEnd <= frozenAt) return windowEnd
  if (disputedEpochId !== null) return null
  return resumesAt !== null && resumesAt > windowEnd ? resumesAt : windowEnd
}

export interface DisputeEvent {
  epochId: number
  block: bigint
  logIndex: number
  txHash: Hex
  /** The time of its block. */
  at: Date
  what: { kind: 'opened'; disputer: Address; bond: bigint; reason: string } | { kind: 'upheld' | 'dismissed' }
}

type Disputed = { epochId: bigint; disputer: Address; bond: bigint; reason: string }
type Resolved = { epochId: bigint; upheld: boolean }

export function openEpochChain({
  rpcUrl,
  chainId,
  ledger,
  timeoutMs = 5_000,
}: {
  rpcUrl: string
  chainId: number
  ledger: Address
  timeoutMs?: number
}): EpochChain {
  const provider = openProvider(rpcUrl, chainId, timeoutMs)
  const contract = { address: ledger.toLowerCase() as Address, abi: ledgerInterface }
  const view = <T>(name: string, args: readonly unknown[] = []): Promise<T> => call<T>(provider, contract, name, args)

  async function timeOfBlock(block: bigint): Promise<Date> {
    const found = await provider.getBlock(block)
    if (found === null) throw new Error(`the node knows no block ${block}`)
    return new Date(found.timestamp * 1_000)
  }

  return {
    chainId,
    ledger: contract.address,
    head: () => named(async () => BigInt(await provider.getBlockNumber())),
    lastFinal: () => named(async () => Number(await view<bigint>('lastFinalEpochId'))),
    newest: () =>
      named(async () => {
        const epochId = await view<bigint>('lastEpochId')
        const { submittedAt } = await view<EpochOnChain>('epochs', [epochId])
        return { epochId: Number(epochId), submittedAt: timeOf(submittedAt) }
      }),
    windowEnd: (epochId) =>
      named(async () => {
        const { finalAt, count } = await view<EpochOnChain>('epochs', [BigInt(epochId)])
        return count === 0 ? null : timeOf(finalAt)
      }),
    standing: () =>
      named(async () => {
        const [bond, { lastEpochId, disputedEpochId, frozenAt, resumesAt }, lastFinal] = await Promise.all([
          view<bigint>('disputeBond'),
          view<LedgerState>('ledgerState'),
          view<bigint>('lastFinalEpochId'),
        ])
        return {
          bond,
          lastEpochId,
          lastFinalId: Number(lastFinal),
          disputedEpochId: disputedEpochId === 0 ? null : disputedEpochId,
          frozenAt: timeOf(frozenAt),
          resumesAt: timeOf(resumesAt),
        }
      }),
    disputesIn: (fromBlock, toBlock) =>
      named(async () => {
        const names = ['EpochDisputed', 'DisputeResolved']
        const logs = await events<Disputed | Resolved>(provider, contract, names, fromBlock, toBlock)
        return Promise.all(
          logs.map(async ({ args, blockNumber: block, logIndex, txHash }): Promise<DisputeEvent> => {
            const event = { epochId: Number(args.epochId), block, logIndex, txHash, at: await timeOfBlock(block) }
            if ('upheld' in args) return { ...event, what: { kind: args.upheld ? 'upheld' : 'dismissed' } }
            const { disputer, bond, reason } = args
            return { ...event, what: { kind: 'opened', disputer, bond, reason: shown(reason) } }
          }),
        )
      }),
  }
}

/** From seconds since 1970; 0 is none. */
const timeOf = (seconds: number): Date | null => (seconds === 0 ? null : new Date(seconds * 1_000))

/** Maximum length of a dispute's reason, characters. */
const REASON_CHARS = 1_000

/**
 * Anybody may write a reason as long as they can pay for: control characters are removed, and the rest is truncated.
 */
const shown = (reason: string): string => reason.replace(/\p{Cc}/gu, ' ').slice(0, REASON_CHARS)
