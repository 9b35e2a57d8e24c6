import {
  type Address,
  BaseError,
  ExecutionRevertedError,
  formatGwei,
  type Hex,
  InsufficientFundsError,
  keccak256,
  zeroAddress,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { tokenAbi } from '../../contracts/ledger/client/abi-viem.ts'
import { named, openClient } from '../../contracts/ledger/client/chain.ts'
import { LedgerError } from '../../contracts/ledger/errors.ts'
import { openSender } from '../../contracts/ledger/client/transactions.ts'
import type { TreasuryCall } from '../../core/db/treasury-orders.ts'
import { outcomeOf } from '../../contracts/ledger/client/outcome.ts'

/** The treasury's account. Each may throw LedgerError `unreachable`. */
export interface TreasurySender {
  /** In lower case. */
  address: Address
  /** What it holds of a token, or of the chain's coin. */
  holds: (token: Address) => Promise<bigint>
  /** The next nonce that no block has. */
  nonce: () => Promise<number>
  /** @throws LedgerError reverted, fee-too-high */
  sign: (call: TreasuryCall, nonce: number, bumps: number) => Promise<{ raw: Hex; txHash: Hex }>
  send: (raw: Hex) => Promise<unknown>
  /** Null while no block holds it. */
  outcome: (txHash: Hex) => Promise<'success' | 'reverted' | null>
}

export interface TreasurySenderOptions {
  rpcUrl: string
  chainId: number
  privateKey: Hex
  /** Wei. */
  maxFeePerGas: bigint
  timeoutMs?: number
}

export function openTreasurySender({
  rpcUrl,
  chainId,
  privateKey,
  maxFeePerGas: cap,
  timeoutMs = 5_000,
}: TreasurySenderOptions): TreasurySender {
  const client = openClient(rpcUrl, chainId, timeoutMs)
  const account = privateKeyToAccount(privateKey)
  const { address } = account
  const { send } = openSender(client, privateKey)
  return {
    address: address.toLowerCase() as Address,
    holds: (token) =>
      named(() =>
        token === zeroAddress
          ? client.getBalance({ address })
          : client.readContract({ address: token, abi: tokenAbi, functionName: 'balanceOf', args: [address] }),
      ),
    nonce: () => named(() => client.getTransactionCount({ address, blockTag: 'latest' })),
    sign: ({ contract: to, data, value }, nonce, bumps) =>
      named(async () => {
        const call = { to, data, value, nonce }
        const asked = await client
          .prepareTransactionRequest({ ...call, account, parameters: ['type', 'fees', 'gas'] })
          .catch(refused)
        const raised = (fee: bigint): bigint => least((fee * 5n ** BigInt(bumps)) / 4n ** BigInt(bumps), cap)
        const { gas, gasPrice, maxFeePerGas = gasPrice ?? 0n, maxPriorityFeePerGas = 0n } = asked
        if (maxFeePerGas > cap)
          throw new LedgerError(
            'fee-too-high',
            `the network asks ${formatGwei(maxFeePerGas)} gwei for a unit of gas, and the cap is ${formatGwei(cap)}`,
          )
        const terms = { ...call, chainId, gas: (gas * 5n) / 4n }
        const raw = await account.signTransaction(
          gasPrice === undefined
            ? {
                ...terms,
                type: 'eip1559',
                maxFeePerGas: raised(maxFeePerGas),
                maxPriorityFeePerGas: raised(maxPriorityFeePerGas),
              }
            : { ...terms, type: 'legacy', gasPrice: raised(gasPrice) },
        )
        return { raw, txHash: keccak256(raw) }
      }),
    send: (raw) => named(() => send(raw)),
    outcome: (txHash) => outcomeOf(client, txHash),
  }
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)

/** What cannot succeed is never signed. */
function refused(error: unknown): never {
  if (error instanceof BaseError) {
    if (error.walk((cause) => cause instanceof InsufficientFundsError) !== null)
      throw new LedgerError('reverted', 'the treasury holds less than this and its fee', { cause: error })
    const reverted = error.walk((cause) => cause instanceof ExecutionRevertedError)
    if (reverted instanceof BaseError) throw new LedgerError('reverted', reverted.shortMessage, { cause: error })
  }
  throw error
}
