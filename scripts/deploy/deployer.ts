import type { TransactionReceipt } from 'ethers'
import { type Provider, openProvider, servedChain } from '../../contracts/ledger/client/rpc.ts'
import { type Call, openSender } from '../../contracts/ledger/client/transactions.ts'
import { LedgerError } from '../../contracts/ledger/errors.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'

/** A key on a chain that can run what is compiled here. */
export async function openDeployer(rpcUrl: string, privateKey: Hex, expected?: number): Promise<Deployer> {
  const chainId = await servedChain(openProvider(rpcUrl, 0))
  if (expected !== undefined && chainId !== expected)
    throw new LedgerError('wrong-chain', `${rpcUrl} serves chain ${chainId}, not ${expected}`)
  const provider = openProvider(rpcUrl, chainId)
  await demandCancun(provider, chainId)
  const sender = openSender(provider, privateKey)
  const { address } = sender
  return {
    chainId,
    provider,
    address,
    async send(call) {
      // Queued behind the account's other pending transactions.
      const { raw, txHash } = await sender.sign(call, 0, await provider.getTransactionCount(address, 'pending'))
      await sender.send(raw)
      return txHash
    },
  }
}

export type Deployer = {
  chainId: number
  provider: Provider
  /** Pays. */
  address: Address
  send(call: Call): Promise<Hex>
}

/** The receipt of a transaction, once a block includes it. @throws LedgerError `confirmation-timeout`, `unreachable` */
export async function receiptOf(
  provider: Provider,
  txHash: Hex,
  { timeoutMs = RECEIPT_MS, pollMs = 200 } = {},
): Promise<TransactionReceipt> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const receipt = await provider.getTransactionReceipt(txHash)
    if (receipt !== null) return receipt
    if (Date.now() >= deadline)
      throw new LedgerError('confirmation-timeout', `transaction ${txHash} is in no block after ${timeoutMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

/** A block may take long: 5 minutes. */
const RECEIPT_MS = 300_000

/**
 * PUSH0 PUSH0 TSTORE, PUSH0 TLOAD, PUSH0 PUSH0 MCOPY, STOP: the Shanghai and Cancun opcodes that the compiled code
 * uses.
 */
const CANCUN: Hex = '0x5f5f5d5f5c5f5f5e00'

/** Checks before anything is paid for. */
async function demandCancun(provider: Provider, chainId: number): Promise<void> {
  try {
    await provider.call({ data: CANCUN })
  } catch (cause) {
    if (cause instanceof LedgerError) throw cause
    throw new LedgerError(
      'unsupported-chain',
      `chain ${chainId} does not run Cancun's instructions (PUSH0, MCOPY, TLOAD, TSTORE): it needs an upgrade of its rules before Attune's contracts run there`,
      { cause },
    )
  }
}
