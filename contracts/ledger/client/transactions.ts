import {
  type Abi,
  type Address,
  BaseError,
  type Hex,
  TransactionNotFoundError,
  encodeFunctionData,
  formatGwei,
  keccak256,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import type { ChainClient } from './chain.ts'
import { LedgerError } from '../errors.ts'

/**
 * Signs and sends the transactions of one account, one at a time: each takes
 * the next nonce that no block has, so nothing of the account's can be stuck
 * behind a gap, and what is signed again takes the place of what waits.
 *
 * @param maxFeePerGas the most that a unit of gas may cost, wei; none without it
 */
export function openSender(client: ChainClient, privateKey: Hex, maxFeePerGas?: bigint): Sender {
  const account = privateKeyToAccount(privateKey)

  /** EIP-1559 where blocks have a base fee, one gas price elsewhere; both times a bump's 5/4, up to the cap. */
  async function fees(bumps: number): Promise<Fees> {
    const { baseFeePerGas } = await client.getBlock()
    const asked = baseFeePerGas === null ? await client.getGasPrice() : baseFeePerGas
    if (maxFeePerGas !== undefined && asked > maxFeePerGas) {
      throw new LedgerError(
        'fee-too-high',
        `the network asks ${formatGwei(asked)} gwei for a unit of gas, and the cap is ${formatGwei(maxFeePerGas)}: epochs wait until it asks less, or BLOCKCHAIN_MAX_FEE_GWEI is raised`,
      )
    }
    const capped = (fee: bigint): bigint => {
      const bumped = (fee * 5n ** BigInt(bumps)) / 4n ** BigInt(bumps)
      return maxFeePerGas !== undefined && bumped > maxFeePerGas ? maxFeePerGas : bumped
    }
    if (baseFeePerGas === null) return { type: 'legacy', gasPrice: capped(asked) }
    const quote = await client.estimateFeesPerGas({ type: 'eip1559' })
    const most = capped(quote.maxFeePerGas)
    const tip = capped(quote.maxPriorityFeePerGas)
    return { type: 'eip1559', maxFeePerGas: most, maxPriorityFeePerGas: tip < most ? tip : most }
  }

  return {
    address: account.address,
    async sign({ address, abi, functionName, args, leastGas }, bumps) {
      const estimate = await client.estimateContractGas({
        address,
        abi,
        functionName,
        args,
        account,
        blockTag: 'latest',
        ...UNPREPARED,
      })
      // Some nodes count from after what waits in their pool: where that is this very call, it has nothing left to do.
      const gas = estimate > leastGas ? estimate : leastGas
      const nonce = await client.getTransactionCount({ address: account.address, blockTag: 'latest' })
      const raw = await account.signTransaction({
        chainId: client.chain.id,
        to: address,
        data: encodeFunctionData({ abi, functionName, args }),
        nonce,
        gas: (gas * 5n) / 4n,
        ...(await fees(bumps)),
      })
      return { raw, txHash: keccak256(raw) }
    },
    async send(raw) {
      try {
        await client.sendRawTransaction({ serializedTransaction: raw })
        return 'sent'
      } catch (error) {
        const answer = error instanceof BaseError ? `${error.message} ${error.details}` : ''
        // Nodes say these in words of their own; what they mean is that somebody, mostly we, has been here before.
        if (/already (known|imported)|nonce too low/i.test(answer)) return 'sent'
        if (/underpriced|fee too low to replace|could not replace/i.test(answer)) return 'underpriced'
        throw error
      }
    },
    async isWaiting(txHash) {
      try {
        return (await client.getTransaction({ hash: txHash })).blockNumber === null
      } catch (error) {
        if (error instanceof TransactionNotFoundError) return false
        throw error
      }
    },
  }
}

/**
 * viem would have the node fill the call in first, and nodes do that from after what waits in their pool; its types do
 * not know the option.
 */
const UNPREPARED: object = { prepare: false }

export type Sender = {
  readonly address: Address
  /** Throws viem's error where the contract would refuse, `fee-too-high` above the cap. */
  sign(call: Call, bumps: number): Promise<{ raw: Hex; txHash: Hex }>
  send(raw: Hex): Promise<'sent' | 'underpriced'>
  /** Whether the node knows the transaction and no block holds it yet. */
  isWaiting(txHash: Hex): Promise<boolean>
}
type Call = { address: Address; abi: Abi; functionName: string; args: readonly unknown[]; leastGas: bigint }
type Fees =
  { type: 'legacy'; gasPrice: bigint } | { type: 'eip1559'; maxFeePerGas: bigint; maxPriorityFeePerGas: bigint }
