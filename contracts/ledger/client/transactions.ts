import { Wallet, isError, keccak256, toQuantity } from 'ethers'
import type { Address, Hex } from '../hex.ts'
import { type FeeCap, feesNow } from './fees.ts'
import type { Signed } from './outbox.ts'
import { type Provider, answerOf, quantity } from './rpc.ts'

/**
 * Signs and sends the transactions of one account, one at a time: each takes the
 * next nonce that no block has, so no transaction of the account can be stuck
 * behind a gap, and a re-signed one replaces the pending one.
 *
 * @param cap on fees; none without it
 */
export function openSender(provider: Provider, privateKey: Hex, cap?: FeeCap): Sender {
  const wallet = new Wallet(privateKey)
  const address = wallet.address as Address
  const chainId = provider._network.chainId

  const nonce = (): Promise<number> => provider.getTransactionCount(address, 'latest')

  /**
   * Estimated from the newest block's state: ethers names no block, and nodes then include what is pending in their
   * pool, where this same call may be.
   */
  function estimate({ to, data, value = 0n }: Call): Promise<bigint> {
    const call = { from: address, ...(to && { to }), data, value: toQuantity(value) }
    return quantity(provider, 'eth_estimateGas', [call, 'latest'])
  }

  return {
    address,
    nonce,
    estimate,
    async sign({ to, data, value = 0n, leastGas = 0n }, bumps, fixedNonce) {
      const estimated = await estimate({ ...(to && { to }), data, value })
      const gas = estimated > leastGas ? estimated : leastGas
      const gasLimit = (gas * 5n) / 4n
      const fees = await feesNow(provider, bumps, cap)
      const raw = (await wallet.signTransaction({
        chainId,
        to: to ?? null,
        data,
        value,
        nonce: fixedNonce ?? (await nonce()),
        gasLimit,
        ...fees,
      })) as Hex
      const perGas = fees.type === 0 ? fees.gasPrice : fees.maxFeePerGas
      return { raw, txHash: keccak256(raw) as Hex, mostCost: value + gasLimit * perGas }
    },
    async send(raw) {
      try {
        await provider.send('eth_sendRawTransaction', [raw])
        return 'sent'
      } catch (error) {
        // Nodes word these differently; they all mean that somebody, mostly we, has sent this before.
        const answer = answerOf(error) ?? ''
        if (isError(error, 'NONCE_EXPIRED') || /already (known|imported)|nonce too low/i.test(answer)) return 'sent'
        if (
          isError(error, 'REPLACEMENT_UNDERPRICED') ||
          /underpriced|fee too low to replace|could not replace/i.test(answer)
        )
          return 'underpriced'
        throw error
      }
    },
    async isWaiting(txHash) {
      const known = await provider.getTransaction(txHash)
      return known !== null && known.blockNumber === null
    },
    async outcome(txHash) {
      const receipt = await provider.getTransactionReceipt(txHash)
      return receipt === null ? null : receipt.status === 0 ? 'reverted' : 'success'
    },
  }
}

/** Each may throw LedgerError `unreachable`. */
export type Sender = {
  readonly address: Address
  /** The next that no block has. */
  nonce(): Promise<number>
  /** Gas that the call takes. Throws ethers' error if the contract would refuse. */
  estimate(call: Call): Promise<bigint>
  /**
   * Throws as `estimate` does, and `fee-too-high` above the cap. `mostCost` is the balance that the account needs for
   * it, wei.
   *
   * @param fixedNonce the account's next one if absent
   */
  sign(call: Call & { leastGas?: bigint }, bumps: number, fixedNonce?: number): Promise<Signed & { mostCost: bigint }>
  /** `sent` also if the node already has it; `underpriced` if another is pending at its nonce with as high a fee. */
  send(raw: Hex): Promise<'sent' | 'underpriced'>
  /** Whether the transaction is pending: known to the node, and in no block. */
  isWaiting(txHash: Hex): Promise<boolean>
  /** The outcome of a transaction; null while no block includes it. */
  outcome(txHash: Hex): Promise<'success' | 'reverted' | null>
}
/** Without `to` it creates the contract whose creation code is in the data. */
export type Call = { to?: Address; data: Hex; value?: bigint }
