import {
  type Address,
  BaseError,
  ContractFunctionRevertedError,
  type Hex,
  HttpRequestError,
  TimeoutError,
  TransactionNotFoundError,
  TransactionReceiptNotFoundError,
  createPublicClient,
  createWalletClient,
  defineChain,
  http,
  parseEventLogs,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { ledgerAbi } from './abi.ts'
import { LedgerError } from './errors.ts'
import type { LeafFields } from './leaf.ts'
import type { ChainEpoch, LedgerChain } from './recorder.ts'

export type LedgerOptions = {
  rpcUrl: string
  /** The ledger contract. */
  address: Address
  /** The chain that the node must serve; the epochs are built for it. */
  chainId: number
  /** Of a holder of RECORDER_ROLE; without it the ledger is read only. */
  privateKey?: Hex
  /** No epoch is looked for below this block: the one that the ledger was deployed in. */
  fromBlock?: bigint
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
const STATUSES = ['none', 'pending', 'final', 'disputed'] as const

/** Opens a ledger. Connects to nothing yet: `check()` is the first request. */
export function openLedger(options: LedgerOptions): Ledger {
  const { rpcUrl, chainId, fromBlock = 0n, timeoutMs = 10_000 } = options
  const address = options.address.toLowerCase() as Address
  const client = openClient(rpcUrl, chainId, timeoutMs)
  const contract = { address, abi: ledgerAbi } as const

  async function eventOf(epochId: number, txHash: Hex | null) {
    if (txHash !== null) {
      const receipt = await orNull(client.getTransactionReceipt({ hash: txHash }), TransactionReceiptNotFoundError)
      const logs = receipt === null ? [] : parseEventLogs({ abi: ledgerAbi, eventName: 'EpochSubmitted', logs: receipt.logs })
      const own = logs.find((log) => log.address.toLowerCase() === address && log.args.epochId === BigInt(epochId))
      if (own !== undefined) return own
    }
    const events = await client.getContractEvents({
      ...contract,
      eventName: 'EpochSubmitted',
      args: { epochId: BigInt(epochId) },
      fromBlock,
      strict: true,
    })
    return events.at(-1) ?? null
  }

  return {
    ledger: { chainId, ledger: address },

    check: () =>
      named(async () => {
        const served = await client.getChainId()
        if (served !== chainId) {
          throw new LedgerError('wrong-chain', `${rpcUrl} serves chain ${served}, not ${chainId}`)
        }
        const code = await client.getCode({ address })
        if (code === undefined) {
          throw new LedgerError(
            'ledger-missing',
            `no contract at ${address} on chain ${chainId}: deploy it, or set CONTRACT_ADDRESS to where it is (a private chain that was reset has forgotten it)`,
          )
        }
      }),

    lastEpochId: () => named(async () => Number(await client.readContract({ ...contract, functionName: 'lastEpochId' }))),

    rejections: () => named(async () => (await client.readContract({ ...contract, functionName: 'ledgerState' })).rejections),

    epoch: (epochId) =>
      named(async (): Promise<ChainEpoch | null> => {
        const epoch = await client.readContract({ ...contract, functionName: 'epochs', args: [BigInt(epochId)] })
        return epoch.count === 0 ? null : { epochId, ...epoch }
      }),

    submit: ({ epochId, contributionsRoot, rewardsRoot, manifestHash, count, rejections }) =>
      named(async () => {
        if (options.privateKey === undefined) throw new Error('this ledger was opened without a key: it is read only')
        const account = privateKeyToAccount(options.privateKey)
        const { request } = await client.simulateContract({
          ...contract,
          account,
          functionName: 'submitEpoch',
          args: [BigInt(epochId), contributionsRoot, rewardsRoot, manifestHash, count, rejections],
        })
        const wallet = createWalletClient({ account, chain: client.chain, transport: http(rpcUrl, { timeout: timeoutMs }) })
        return wallet.writeContract(request)
      }),

    isWaiting: (hash) =>
      named(async () => {
        const transaction = await orNull(client.getTransaction({ hash }), TransactionNotFoundError)
        return transaction !== null && transaction.blockNumber === null
      }),

    inclusion: (epochId, txHash) =>
      named(async () => {
        const event = await eventOf(epochId, txHash)
        if (event === null) return null
        const { transactionHash, blockNumber, blockHash } = event
        const head = await client.getBlockNumber({ cacheTime: 0 })
        return { txHash: transactionHash, blockNumber, blockHash, confirmations: Number(head - blockNumber) + 1 }
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
  return createPublicClient({ chain, transport: http(rpcUrl, { timeout: timeoutMs, retryCount: 1 }), pollingInterval: 200 })
}

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
