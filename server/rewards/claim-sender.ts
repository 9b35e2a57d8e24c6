import { distributorInterface } from '../../contracts/ledger/client/abi.ts'
import { named, openProvider } from '../../contracts/ledger/client/rpc.ts'
import { openSender } from '../../contracts/ledger/client/transactions.ts'
import { LedgerError } from '../../contracts/ledger/errors.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import type { RelayJob } from '../../core/db/relayed-claims.ts'

/** The most gas that a relayed claim may take: a recipient's own code runs in it. */
const MOST_GAS = 300_000n

/** The relayer's account: sends signed claims, and nothing else. */
export interface ClaimSender {
  address: Address
  /** @throws LedgerError reverted, fee-too-high, unreachable */
  sign: (job: RelayJob, bumps: number) => Promise<{ raw: Hex; txHash: Hex }>
  /** @throws LedgerError unreachable */
  send: (raw: Hex) => Promise<'sent' | 'underpriced'>
  /** Null while no block holds it. @throws LedgerError unreachable */
  outcome: (txHash: Hex) => Promise<'success' | 'reverted' | null>
}

export interface ClaimSenderOptions {
  rpcUrl: string
  chainId: number
  distributor: Address
  privateKey: Hex
  /** Wei. */
  maxFeePerGas: bigint
  timeoutMs?: number
}

export function openClaimSender({
  rpcUrl,
  chainId,
  distributor,
  privateKey,
  maxFeePerGas,
  timeoutMs = 5_000,
}: ClaimSenderOptions): ClaimSender {
  const provider = openProvider(rpcUrl, chainId, timeoutMs)
  const sender = openSender(provider, privateKey, { wei: maxFeePerGas, setting: 'RELAYER_MAX_FEE_GWEI' })
  return {
    address: sender.address.toLowerCase() as Address,
    sign: (job, bumps) =>
      named(async () => {
        const { epochId, bounty, account, amount, proof, recipient, deadline, signature } = job
        const claim = { epochId: BigInt(epochId), bounty, account, amount, proof }
        const args = [claim, recipient, BigInt(deadline), signature]
        const call = { to: distributor, data: distributorInterface.encodeFunctionData('claimTo', args) as Hex }
        const gas = await sender.estimate(call)
        if (gas > MOST_GAS)
          throw new LedgerError(
            'reverted',
            `it would take ${gas} gas, and ${MOST_GAS} are paid for here: send it from your own wallet`,
          )
        return sender.sign({ ...call, leastGas: gas }, bumps)
      }),
    send: (raw) => named(() => sender.send(raw)),
    outcome: (txHash) => named(() => sender.outcome(txHash)),
  }
}
