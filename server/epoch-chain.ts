import { type Address, getAbiItem, type Hex } from 'viem'
import { ledgerAbi } from '../contracts/abi.ts'
import { named, openClient } from '../contracts/chain.ts'

/** What the chain says about epochs and disputes. Every question may throw LedgerError `unreachable`. */
export interface EpochChain {
  chainId: number
  /** In lower case. */
  ledger: Address
  head: () => Promise<bigint>
  /** The newest final epoch; 0 before the first. */
  lastFinal: () => Promise<number>
  /** When an epoch's window ends, as far as no dispute holds it up; null where there is no such epoch. */
  finalAt: (epochId: number) => Promise<Date | null>
  /** What a dispute costs until it is upheld, in wei, and which epoch is in dispute now. */
  terms: () => Promise<{ bond: bigint; disputedEpochId: number | null }>
  /** What happened to disputes in these blocks, both included. */
  disputesIn: (from: bigint, to: bigint) => Promise<DisputeEvent[]>
}

export interface DisputeEvent {
  epochId: number
  block: bigint
  logIndex: number
  txHash: Hex
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
        const { finalAt, count } = await client.readContract({ ...contract, functionName: 'epochs', args: [BigInt(epochId)] })
        return count === 0 ? null : new Date(finalAt * 1_000)
      }),
    terms: () =>
      named(async () => {
        const [bond, { disputedEpochId }] = await Promise.all([
          client.readContract({ ...contract, functionName: 'disputeBond' }),
          client.readContract({ ...contract, functionName: 'ledgerState' }),
        ])
        return { bond, disputedEpochId: disputedEpochId === 0 ? null : disputedEpochId }
      }),
    disputesIn: (fromBlock, toBlock) =>
      named(async () => {
        const logs = await client.getLogs({ address: contract.address, events: disputeEvents, fromBlock, toBlock, strict: true })
        return logs.map((log): DisputeEvent => {
          const { blockNumber: block, logIndex, transactionHash: txHash } = log
          const at = { epochId: Number(log.args.epochId), block, logIndex, txHash }
          if (log.eventName === 'DisputeResolved') return { ...at, what: { kind: log.args.upheld ? 'upheld' : 'dismissed' } }
          const { disputer, bond, reason } = log.args
          return { ...at, what: { kind: 'opened', disputer: disputer.toLowerCase() as Address, bond, reason } }
        })
      }),
  }
}
