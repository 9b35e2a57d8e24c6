import {
  type Address,
  BaseError,
  ContractFunctionRevertedError,
  type Hex,
  HttpRequestError,
  TimeoutError,
  TransactionReceiptNotFoundError,
  createPublicClient,
  defineChain,
  http,
  parseEventLogs,
  zeroAddress,
} from 'viem'
import { ledgerAbi } from './abi-viem.ts'
import { LedgerError } from '../errors.ts'
import type { LeafFields } from '../epoch/leaf.ts'
import { readMarket } from './market.ts'
import type { ChainEpoch, LedgerChain, PendingEpoch } from '../epoch/ports.ts'
import { openSender } from './transactions.ts'

export type LedgerOptions = {
  rpcUrl: string
  /** The ledger contract. */
  address: Address
  /** What pays by it; nothing does where absent. */
  distributor?: Address
  /** The chain that the node must serve; the epochs are built for it. */
  chainId: number
  /** Of a holder of RECORDER_ROLE; without it the ledger is read only. */
  privateKey?: Hex
  /** Blocks that must hold something, its own included, before it counts as settled. 1 where absent. */
  confirmations?: number
  /** The most that a unit of gas may cost, wei. */
  maxFeePerGas?: bigint
  /** Of one RPC request. */
  timeoutMs?: number
}

/** A ledger contract behind a node: the recorder's port to it, and the views that the API needs. */
export type Ledger = LedgerChain & {
  /** The contract's own word on a proof: `verifyRecord`, over the fields. */
  verify(fields: LeafFields, proof: readonly Hex[]): Promise<boolean>
  /** none | pending (dispute window open) | final | disputed */
  status(epochId: number): Promise<EpochStatus>
  /** Credits of single records (`recordFeedback`, `recordContribution`). */
  contributorRewards(contributorId: string): Promise<bigint>
}
export type EpochStatus = (typeof STATUSES)[number]
/** What a commit costs, whatever its epoch's size (a test pins it). */
const COMMIT_GAS = 100_000n
const STATUSES = ['none', 'pending', 'final', 'disputed'] as const

/** Opens a ledger. Connects to nothing yet: `check()` is the first request. */
export function openLedger(options: LedgerOptions): Ledger {
  const { rpcUrl, chainId, confirmations = 1, timeoutMs = 10_000 } = options
  const address = options.address.toLowerCase() as Address
  const distributor = (options.distributor?.toLowerCase() ?? null) as Address | null
  const client = openClient(rpcUrl, chainId, timeoutMs)
  const contract = { address, abi: ledgerAbi } as const
  const sender = options.privateKey === undefined ? null : openSender(client, options.privateKey, options.maxFeePerGas)

  function signer() {
    if (sender === null) throw new Error('this ledger was opened without a key: it is read only')
    return sender
  }

  /** The newest block that counts as settled. */
  async function settledBlock(): Promise<bigint> {
    const block = (await client.getBlockNumber({ cacheTime: 0 })) - BigInt(confirmations - 1)
    return block > 0n ? block : 0n
  }

  async function eventOf({ epochId, block }: PendingEpoch, txHash: Hex | null) {
    if (txHash !== null) {
      const receipt = await orNull(client.getTransactionReceipt({ hash: txHash }), TransactionReceiptNotFoundError)
      const logs =
        receipt === null ? [] : parseEventLogs({ abi: ledgerAbi, eventName: 'EpochSubmitted', logs: receipt.logs })
      const own = logs.find((log) => log.address.toLowerCase() === address && log.args.epochId === BigInt(epochId))
      if (own !== undefined) return own
    }
    const args = { epochId: BigInt(epochId) }
    const events = await client.getContractEvents({
      ...contract,
      eventName: 'EpochSubmitted',
      args,
      fromBlock: block,
      strict: true,
    })
    return events.at(-1) ?? null
  }

  return {
    ledger: { chainId, ledger: address },
    distributor,

    check: () =>
      named(async () => {
        const served = await client.getChainId()
        if (served !== chainId) {
          throw new LedgerError('wrong-chain', `${rpcUrl} serves chain ${served}, not ${chainId}`)
        }
        const [ledgerCode, distributorCode] = await Promise.all([
          client.getCode({ address }),
          distributor && client.getCode({ address: distributor }),
        ])
        const missing = ledgerCode === undefined ? address : distributorCode === undefined ? distributor : null
        if (missing !== null) {
          throw new LedgerError(
            'ledger-missing',
            `no contract at ${missing} on chain ${chainId}: deploy it, or set CONTRACT_ADDRESS and DISTRIBUTOR_ADDRESS to where they are (a private chain that was reset has forgotten them)`,
          )
        }
      }),

    state: () =>
      named(async () => {
        const { lastEpochId, rejections } = await client.readContract({ ...contract, functionName: 'ledgerState' })
        if (rejections === 0 || confirmations === 1) return { lastEpochId, rejections, settledRejections: rejections }
        const settled = await client.readContract({
          ...contract,
          functionName: 'ledgerState',
          blockNumber: await settledBlock(),
        })
        return { lastEpochId, rejections, settledRejections: settled.rejections }
      }),

    epoch: (epochId) =>
      named(async (): Promise<ChainEpoch | null> => {
        const epoch = await client.readContract({ ...contract, functionName: 'epochs', args: [BigInt(epochId)] })
        return epoch.count === 0 ? null : { epochId, ...epoch }
      }),

    market: (keys) =>
      named(async () =>
        readMarket({
          client,
          ledger: address,
          distributor: distributor ?? zeroAddress,
          keys: distributor === null ? [] : keys,
          block: await settledBlock(),
        }),
      ),

    sign: ({ epochId, contributionsRoot, rewardsRoot, manifestHash, count, rejections }, bumps) =>
      named(() => {
        const args = [BigInt(epochId), contributionsRoot, rewardsRoot, manifestHash, count, rejections] as const
        return signer().sign({ ...contract, functionName: 'submitEpoch', args, leastGas: COMMIT_GAS }, bumps)
      }),
    send: (raw) => named(() => signer().send(raw)),
    isWaiting: (txHash) => named(() => signer().isWaiting(txHash)),

    inclusion: (epoch, txHash) =>
      named(async () => {
        const event = await eventOf(epoch, txHash)
        if (event === null) return null
        const { transactionHash, blockNumber, blockHash } = event
        return { txHash: transactionHash, blockNumber, blockHash, confirmed: blockNumber <= (await settledBlock()) }
      }),

    verify: (fields, proof) =>
      named(async () => {
        const { chainId: chain, ledger, epochId, index, session, contributor, kind, credit, recordHash } = fields
        if (chain !== String(chainId) || ledger.toLowerCase() !== address) return false
        return client.readContract({
          ...contract,
          functionName: 'verifyRecord',
          args: [BigInt(epochId), BigInt(index), session, contributor, kind, BigInt(credit), recordHash, [...proof]],
        })
      }),

    status: (epochId) =>
      named(async () => {
        const status = await client.readContract({ ...contract, functionName: 'epochStatus', args: [BigInt(epochId)] })
        const name = STATUSES[status]
        if (name === undefined) throw new Error(`the ledger gave an epoch status that is not known here: ${status}`)
        return name
      }),

    contributorRewards: (contributorId) =>
      named(() => client.readContract({ ...contract, functionName: 'getContributorRewards', args: [contributorId] })),
  }
}

/** A client of one node; the chain's name and currency do not matter to it. */
export function openClient(rpcUrl: string, chainId: number, timeoutMs = 10_000) {
  const chain = defineChain({
    id: chainId,
    name: `chain ${chainId}`,
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  })
  return createPublicClient({
    chain,
    transport: http(rpcUrl, { timeout: timeoutMs, retryCount: 1 }),
    pollingInterval: 200,
  })
}
export type ChainClient = ReturnType<typeof openClient>

/** Runs a request, turning viem's errors into ours. */
export async function named<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request()
  } catch (error) {
    if (!(error instanceof BaseError)) throw error
    const revert = error.walk((e) => e instanceof ContractFunctionRevertedError)
    if (revert instanceof ContractFunctionRevertedError) {
      const reason = revert.data?.errorName ?? revert.reason ?? revert.shortMessage
      throw new LedgerError('reverted', `the ledger refused: ${reason}`, { cause: error })
    }
    const lost = error.walk((e) => e instanceof HttpRequestError || e instanceof TimeoutError)
    if (lost !== null) throw new LedgerError('unreachable', 'the chain does not answer', { cause: error })
    throw error
  }
}

async function orNull<T>(request: Promise<T>, absent: new (...args: never[]) => Error): Promise<T | null> {
  try {
    return await request
  } catch (error) {
    if (error instanceof absent) return null
    throw error
  }
}
