import { type Address, getAbiItem, type Hex } from 'viem'
import { ledgerAbi } from './abi-viem.ts'
import { named, openClient } from './chain.ts'
import { rewardLimits } from '../../../core/protocol/index.ts'

/** What the chain says about epochs and disputes. Every question may throw LedgerError `unreachable`. */
export interface EpochChain {
  chainId: number
  /** In lower case. */
  ledger: Address
  head: () => Promise<bigint>
  /** The newest final epoch; 0 before the first. */
  lastFinal: () => Promise<number>
  /** The newest epoch, and when it was recorded: 0, and null, before the first. */
  newest: () => Promise<{ epochId: number; submittedAt: Date | null }>
  /** When an epoch's window ends, as far as no dispute holds it up; null where there is no such epoch. */
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
  /** Since when a dispute holds, or held, up what was not final then; null before the first. */
  frozenAt: Date | null
  /** When what it held up becomes final at the earliest, once it is decided. */
  resumesAt: Date | null
}

/** When an epoch becomes final; null while an open dispute holds it up. As the ledger decides it. */
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
  /** When its block was made. */
  at: Date
  what: { kind: 'opened'; disputer: Address; bond: bigint; reason: string } | { kind: 'upheld' | 'dismissed' }
}

const disputeEvents = [
  getAbiItem({ abi: ledgerAbi, name: 'EpochDisputed' }),
  getAbiItem({ abi: ledgerAbi, name: 'DisputeResolved' }),
] as const

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
  const client = openClient(rpcUrl, chainId, timeoutMs)
  const contract = { address: ledger.toLowerCase() as Address, abi: ledgerAbi } as const
  return {
    chainId,
    ledger: contract.address,
    head: () => named(() => client.getBlockNumber({ cacheTime: 0 })),
    lastFinal: () =>
      named(async () => Number(await client.readContract({ ...contract, functionName: 'lastFinalEpochId' }))),
    newest: () =>
      named(async () => {
        const epochId = await client.readContract({ ...contract, functionName: 'lastEpochId' })
        const { submittedAt } = await client.readContract({ ...contract, functionName: 'epochs', args: [epochId] })
        return { epochId: Number(epochId), submittedAt: submittedAt === 0 ? null : new Date(submittedAt * 1_000) }
      }),
    windowEnd: (epochId) =>
      named(async () => {
        const { finalAt, count } = await client.readContract({
          ...contract,
          functionName: 'epochs',
          args: [BigInt(epochId)],
        })
        return count === 0 ? null : timeOf(finalAt)
      }),
    standing: () =>
      named(async () => {
        const [bond, { lastEpochId, disputedEpochId, frozenAt, resumesAt }, lastFinal] = await Promise.all([
          client.readContract({ ...contract, functionName: 'disputeBond' }),
          client.readContract({ ...contract, functionName: 'ledgerState' }),
          client.readContract({ ...contract, functionName: 'lastFinalEpochId' }),
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
        const logs = await client.getLogs({
          address: contract.address,
          events: disputeEvents,
          fromBlock,
          toBlock,
          strict: true,
        })
        return Promise.all(
          logs.map(async (log): Promise<DisputeEvent> => {
            const { blockNumber: block, logIndex, transactionHash: txHash } = log
            const { timestamp } = await client.getBlock({ blockNumber: block })
            const event = {
              epochId: Number(log.args.epochId),
              block,
              logIndex,
              txHash,
              at: new Date(Number(timestamp) * 1_000),
            }
            if (log.eventName === 'DisputeResolved')
              return { ...event, what: { kind: log.args.upheld ? 'upheld' : 'dismissed' } }
            const { disputer, bond, reason } = log.args
            return {
              ...event,
              what: { kind: 'opened', disputer: disputer.toLowerCase() as Address, bond, reason: shown(reason) },
            }
          }),
        )
      }),
  }
}

/** Of seconds since 1970; 0 is none. */
const timeOf = (seconds: number): Date | null => (seconds === 0 ? null : new Date(seconds * 1_000))

/** Anybody may write a reason, as long as they pay for: control characters are left out, and what is longer is cut. */
const shown = (reason: string): string => reason.replace(/\p{Cc}/gu, ' ').slice(0, rewardLimits.reasonChars)
