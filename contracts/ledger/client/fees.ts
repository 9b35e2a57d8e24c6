import { formatUnits } from 'ethers'
import { LedgerError } from '../errors.ts'
import { type Provider, quantity } from './rpc.ts'

/**
 * What a transaction bids, as it is signed: by EIP-1559 where blocks have a base fee, by a single gas price elsewhere.
 */
export type Fees = { type: 0; gasPrice: bigint } | { type: 2; maxFeePerGas: bigint; maxPriorityFeePerGas: bigint }

/** The maximum price of a unit of gas, wei, and the setting it comes from. */
export type FeeCap = { wei: bigint; setting: string }

/**
 * The network's current price, raised by a quarter for each bump, and never above the cap: a base fee may grow by a
 * fifth before the transaction waits.
 *
 * @throws LedgerError `fee-too-high` where the network asks more than the cap, `unreachable`
 */
export async function feesNow(provider: Provider, bumps: number, cap?: FeeCap): Promise<Fees> {
  const block = await provider.getBlock('latest')
  if (block === null) throw new LedgerError('unreachable', 'the node knows no newest block')
  const { baseFeePerGas } = block
  const asked = baseFeePerGas ?? (await gasPrice(provider))
  if (cap !== undefined && asked > cap.wei) {
    throw new LedgerError(
      'fee-too-high',
      `the network asks ${gwei(asked)} gwei for a unit of gas, and the cap is ${gwei(cap.wei)}: what is to be sent waits until it asks less, or ${cap.setting} is raised`,
    )
  }
  const bid = (fee: bigint): bigint => {
    const bumped = (fee * 5n ** BigInt(bumps)) / 4n ** BigInt(bumps)
    return cap !== undefined && bumped > cap.wei ? cap.wei : bumped
  }
  if (baseFeePerGas === null) return { type: 0, gasPrice: bid(asked) }
  const tip = await tipOf(provider, baseFeePerGas)
  const most = bid((baseFeePerGas * 6n) / 5n + tip)
  return { type: 2, maxFeePerGas: most, maxPriorityFeePerGas: least(bid(tip), most) }
}

const gasPrice = (provider: Provider): Promise<bigint> => quantity(provider, 'eth_gasPrice')

/** The node's suggested tip; if it has none, its gas price above the base fee. */
async function tipOf(provider: Provider, baseFee: bigint): Promise<bigint> {
  try {
    return await quantity(provider, 'eth_maxPriorityFeePerGas')
  } catch {
    const price = await gasPrice(provider)
    return price > baseFee ? price - baseFee : 0n
  }
}

const gwei = (wei: bigint): string => formatUnits(wei, 'gwei')
const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)
