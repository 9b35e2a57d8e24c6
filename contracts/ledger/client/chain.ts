import { ZeroAddress } from 'ethers'
import { LedgerError } from '../errors.ts'
import type { LeafFields } from '../epoch/leaf.ts'
import type { ChainEpoch, LedgerChain, PendingEpoch } from '../epoch/ports.ts'
import type { Address, Hex } from '../hex.ts'
import { type EpochOnChain, type LedgerState, ledgerInterface } from './abi.ts'
import { readMarket } from './market.ts'
import { type EventLog, call, events, named, openProvider, readEvent, servedChain } from './rpc.ts'
import { openSender } from './transactions.ts'

export type LedgerOptions = {
  rpcUrl: string
  /** The ledger contract. */
  address: Address
  /** The distributor that pays by it; nothing is paid if absent. */
  distributor?: Address
  /** The chain that the node must serve; the epochs are built for it. */
  chainId: number
  /** Of a holder of RECORDER_ROLE; without it the ledger is read-only. */
  privateKey?: Hex
  /** Confirmations, the block itself included, after which its content counts as settled. 1 if absent. */
  confirmations?: number
  /** The maximum price of a unit of gas, wei. */
  maxFeePerGas?: bigint
  /** Of one RPC request. */
  timeoutMs?: number
}

/** A ledger contract behind a node: the recorder's port to it, and the views that the API needs. */
export type Ledger = LedgerChain & {
  /** The contract's own verdict on a proof: `verifyRecord`, over the fields. */
  verify(fields: LeafFields, proof: readonly Hex[]): Promise<boolean>
  /** none | pending (dispute window open) | final | disputed */
  status(epochId: number): Promise<EpochStatus>
  /** Credits of single records (`recordFeedback`, `recordContribution`). */
  contributorRewards(contributorId: string): Promise<bigint>
}
export type EpochStatus = (typeof STATUSES)[number]
/** Gas of a commit, whatever its epoch's size (a test pins it). */
const COMMIT_GAS = 100_000n
/** The setting that `maxFeePerGas` comes from, for messages. */
const FEE_SETTING = 'BLOCKCHAIN_MAX_FEE_GWEI'
type Submitted = { epochId: bigint; manifestHash: Hex }
const STATUSES = ['none', 'pending', 'final', 'disputed'] as const

/** Opens a ledger. Connects to nothing yet: `check()` makes the first request. */
export function openLedger(options: LedgerOptions): Ledger {
  const { rpcUrl, chainId, confirmations = 1, timeoutMs = 10_000 } = options
  const address = options.address.toLowerCase() as Address
  const distributor = (options.distributor?.toLowerCase() ?? null) as Address | null
  const provider = openProvider(rpcUrl, chainId, timeoutMs)
  const contract = { address, abi: ledgerInterface }
  const cap = options.maxFeePerGas === undefined ? undefined : { wei: options.maxFeePerGas, setting: FEE_SETTING }
  const sender = options.privateKey === undefined ? null : openSender(provider, options.privateKey, cap)
  const view = <T>(name: string, args: readonly unknown[] = [], block?: bigint): Promise<T> =>
    call<T>(provider, contract, name, args, block)

  function signer() {
    if (sender === null) throw new Error('this ledger was opened without a key: it is read only')
    return sender
  }

  /** The newest block that counts as settled. */
  async function settledBlock(): Promise<bigint> {
    const block = BigInt(await provider.getBlockNumber()) - BigInt(confirmations - 1)
    return block > 0n ? block : 0n
  }

  async function eventOf({ epochId, block }: PendingEpoch, txHash: Hex | null): Promise<EventLog<Submitted> | null> {
    const isOurs = (log: EventLog<Submitted> | null): log is EventLog<Submitted> =>
      log?.name === 'EpochSubmitted' && log.args.epochId === BigInt(epochId)
    const receipt = txHash === null ? null : await provider.getTransactionReceipt(txHash)
    const own = receipt?.logs.map((log) => readEvent<Submitted>(contract, log)).find(isOurs)
    if (own !== undefined) return own
    const known = await events<Submitted>(provider, contract, ['EpochSubmitted'], block, 'latest', BigInt(epochId))
    return known.at(-1) ?? null
  }

  return {
    ledger: { chainId, ledger: address },
    distributor,

    check: () =>
      named(async () => {
        const served = await servedChain(provider)
        if (served !== chainId) {
          throw new LedgerError('wrong-chain', `${rpcUrl} serves chain ${served}, not ${chainId}`)
        }
        const [ledgerCode, distributorCode] = await Promise.all([
          provider.getCode(address),
          distributor && provider.getCode(distributor),
        ])
        const missing = ledgerCode === '0x' ? address : distributorCode === '0x' ? distributor : null
        if (missing !== null) {
          throw new LedgerError(
            'ledger-missing',
            `no contract at ${missing} on chain ${chainId}: deploy it, or set CONTRACT_ADDRESS and DISTRIBUTOR_ADDRESS to where they are (a private chain that was reset has forgotten them)`,
          )
        }
      }),

    state: () =>
      named(async () => {
        const { lastEpochId, rejections } = await view<LedgerState>('ledgerState')
        if (rejections === 0 || confirmations === 1) return { lastEpochId, rejections, settledRejections: rejections }
        const settled = await view<LedgerState>('ledgerState', [], await settledBlock())
        return { lastEpochId, rejections, settledRejections: settled.rejections }
      }),

    epoch: (epochId) =>
      named(async (): Promise<ChainEpoch | null> => {
        const epoch = await view<EpochOnChain>('epochs', [BigInt(epochId)])
        return epoch.count === 0 ? null : { epochId, ...epoch }
      }),

    market: (keys) =>
      named(async () =>
        readMarket({
          provider,
          ledger: address,
          distributor: distributor ?? (ZeroAddress as Address),
          keys: distributor === null ? [] : keys,
          block: await settledBlock(),
        }),
      ),

    sign: ({ epochId, contributionsRoot, rewardsRoot, manifestHash, count, rejections }, bumps) =>
      named(() => {
        const args = [BigInt(epochId), contributionsRoot, rewardsRoot, manifestHash, count, rejections]
        const data = ledgerInterface.encodeFunctionData('submitEpoch', args) as Hex
        return signer().sign({ to: address, data, leastGas: COMMIT_GAS }, bumps)
      }),
    send: (raw) => named(() => signer().send(raw)),
    isWaiting: (txHash) => named(() => signer().isWaiting(txHash)),

    inclusion: (epoch, txHash) =>
      named(async () => {
        const event = await eventOf(epoch, txHash)
        if (event === null) return null
        const { txHash: recordedBy, blockNumber, blockHash } = event
        return { txHash: recordedBy, blockNumber, blockHash, confirmed: blockNumber <= (await settledBlock()) }
      }),

    verify: (fields, proof) =>
      named(async () => {
        const { chainId: chain, ledger, epochId, index, session, contributor, kind, credit, recordHash } = fields
        if (chain !== String(chainId) || ledger.toLowerCase() !== address) return false
        const leaf = [BigInt(epochId), BigInt(index), session, contributor, kind, BigInt(credit), recordHash]
        return view<boolean>('verifyRecord', [...leaf, proof])
      }),

    status: (epochId) =>
      named(async () => {
        const status = await view<number>('epochStatus', [BigInt(epochId)])
        const name = STATUSES[status]
        if (name === undefined) throw new Error(`the ledger gave an epoch status that is not known here: ${status}`)
        return name
      }),

    contributorRewards: (contributorId) => named(() => view<bigint>('getContributorRewards', [contributorId])),
  }
}
