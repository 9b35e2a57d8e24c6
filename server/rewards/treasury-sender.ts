import { ZeroAddress, isError } from 'ethers'
import { tokenInterface } from '../../contracts/ledger/client/abi.ts'
import { call, named, openProvider } from '../../contracts/ledger/client/rpc.ts'
import { openSender } from '../../contracts/ledger/client/transactions.ts'
import { LedgerError } from '../../contracts/ledger/errors.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import type { TreasuryCall } from '../../core/db/treasury-orders.ts'

/** The treasury's account. Each may throw LedgerError `unreachable`. */
export interface TreasurySender {
  /** In lower case. */
  address: Address
  /** Its balance of a token, or of the chain's coin. */
  holds: (token: Address) => Promise<bigint>
  /** The next nonce not used in a block. */
  nonce: () => Promise<number>
  /** @throws LedgerError reverted, fee-too-high */
  sign: (call: TreasuryCall, nonce: number, bumps: number) => Promise<{ raw: Hex; txHash: Hex }>
  send: (raw: Hex) => Promise<'sent' | 'underpriced'>
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
  maxFeePerGas,
  timeoutMs = 5_000,
}: TreasurySenderOptions): TreasurySender {
  const provider = openProvider(rpcUrl, chainId, timeoutMs)
  const sender = openSender(provider, privateKey, { wei: maxFeePerGas, setting: 'TREASURER_MAX_FEE_GWEI' })
  const address = sender.address.toLowerCase() as Address
  const coins = (): Promise<bigint> => provider.getBalance(address)
  return {
    address,
    holds: (token) =>
      named(() =>
        token === ZeroAddress
          ? coins()
          : call<bigint>(provider, { address: token, abi: tokenInterface }, 'balanceOf', [address]),
      ),
    nonce: () => named(sender.nonce),
    // What cannot succeed is never signed, except if the fee would leave too little: that shows only then.
    sign: ({ contract: to, data, value }, nonce, bumps) =>
      named(async () => {
        const { mostCost, ...signed } = await sender.sign({ to, data, value }, bumps, nonce).catch(orTooLittle)
        if ((await coins()) < mostCost) throw tooLittle()
        return signed
      }),
    send: (raw) => named(() => sender.send(raw)),
    outcome: (txHash) => named(() => sender.outcome(txHash)),
  }
}

const tooLittle = (cause?: unknown) =>
  new LedgerError('reverted', 'the treasury holds less than this and its fee', { cause })

function orTooLittle(error: unknown): never {
  throw isError(error, 'INSUFFICIENT_FUNDS') ? tooLittle(error) : error
}
