import { type Address, getAbiItem, type Hex } from 'viem'
import { ledgerAbi } from '../contracts/abi.ts'
import { named, openClient } from '../contracts/chain.ts'
import { rewardLimits } from './protocol-rewards.ts'

/** What the chain says about epochs and disputes. Every question may throw LedgerError `unreachable`. */
export interface EpochChain {
  chainId: number
  /** In lower case. */
  ledger: Address
  head: () => Promise<bigint>
  /** The newest final epoch; 0 before the first. */
  lastFinal: () => Promise<number>
  /** When an epoch becomes final; null where there is no such epoch, or an open dispute holds it up. */
  finalAt: (epochId: number) => Promise<Date | null>
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

const disputeEvents = [getAbiItem({ abi: ledgerAbi, name: 'EpochDisputed' }), getAbiItem({ abi: ledgerAbi, name: 'DisputeResolved' })] as const

export function openEpochChain({ rpcUrl, chainId, ledger, timeoutMs = 5_000 }: { rpcUrl: string; chainId: number; ledger: Address; timeoutMs?: number }): EpochChain {
  const client = openClient(rpcUrl, chainId, timeoutMs)
  const contract = { address: ledger.toLowerCase() as Address, abi: ledgerAbi } as const
  return {
    chainId,
    ledger: contract.address,
    head: () => named(() => client.getBlockNumber({ cacheTime: 0 })),
    lastFinal: () => named(async () => Number(await client.readContract({ ...contract, functionName: 'lastFinalEpochId' }))),
    finalAt: (epochId) =>
      named(async () => {
        const [{ finalAt, count }, { disputedEpochId, frozenAt, resumesAt }] = await Promise.all([
          client.readContract({ ...contract, functionName: 'epochs', args: [BigInt(epochId)] }),
          client.readContract({ ...contract, functionName: 'ledgerState' }),
        ])
        if (count === 0) return null
        const heldUp = frozenAt !== 0 && finalAt > frozenAt
        if (heldUp && disputedEpochId !== 0) return null
        return new Date(Math.max(finalAt, heldUp ? resumesAt : 0) * 1_000)
      }),
    standing: () =>
      named(async () => {
        const [bond, { lastEpochId, disputedEpochId }, lastFinal] = await Promise.all([
          client.readContract({ ...contract, functionName: 'disputeBond' }),
          client.readContract({ ...contract, functionName: 'ledgerState' }),
          client.readContract({ ...contract, functionName: 'lastFinalEpochId' }),
        ])
        return { bond, lastEpochId, lastFinalId: Number(lastFinal), disputedEpochId: disputedEpochId === 0 ? null : disputedEpochId }
      }),
    disputesIn: (fromBlock, toBlock) =>
      named(async () => {
        const logs = await client.getLogs({ address: contract.address, events: disputeEvents, fromBlock, toBlock, strict: true })
        return Promise.all(
          logs.map(async (log): Promise<DisputeEvent> => {
            const { blockNumber: block, logIndex, transactionHash: txHash } = log
            const { timestamp } = await client.getBlock({ blockNumber: block })
            const event = { epochId: Number(log.args.epochId), block, logIndex, txHash, at: new Date(Number(timestamp) * 1_000) }
            if (log.eventName === 'DisputeResolved') return { ...event, what: { kind: log.args.upheld ? 'upheld' : 'dismissed' } }
            const { disputer, bond, reason } = log.args
            return { ...event, what: { kind: 'opened', disputer: disputer.toLowerCase() as Address, bond, reason: shown(reason) } }
          }),
        )
      }),
  }
}

/** Anybody may write a reason, as long as they pay for: control characters are left out, and what is longer is cut. */
const shown = (reason: string): string => reason.replace(/\p{Cc}/gu, ' ').slice(0, rewardLimits.reasonChars)
