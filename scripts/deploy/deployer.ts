import { type Hex, createWalletClient, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { openClient } from '../../contracts/ledger/client/chain.ts'
import { LedgerError } from '../../contracts/ledger/errors.ts'

/** A key on a chain that can run what is compiled here. */
export async function openDeployer(rpcUrl: string, privateKey: Hex, expected?: number) {
  const chainId = await openClient(rpcUrl, 0).getChainId()
  if (expected !== undefined && chainId !== expected)
    throw new LedgerError('wrong-chain', `${rpcUrl} serves chain ${chainId}, not ${expected}`)
  const client = openClient(rpcUrl, chainId)
  await demandCancun(client, chainId)
  const account = privateKeyToAccount(privateKey)
  const wallet = createWalletClient({ account, chain: client.chain, transport: http(rpcUrl) })
  return { chainId, client, wallet, account }
}

export type Deployer = Awaited<ReturnType<typeof openDeployer>>

/**
 * PUSH0 PUSH0 TSTORE, PUSH0 TLOAD, PUSH0 PUSH0 MCOPY, STOP: what the compiled code has of the Shanghai and Cancun
 * rules.
 */
const CANCUN: Hex = '0x5f5f5d5f5c5f5f5e00'

/** Looks before anything is paid for. */
async function demandCancun(client: ReturnType<typeof openClient>, chainId: number): Promise<void> {
  try {
    await client.call({ data: CANCUN })
  } catch (cause) {
    const alive = await client.getBlockNumber().then(
      () => true,
      () => false,
    )
    if (!alive) throw cause
    throw new LedgerError(
      'unsupported-chain',
      `chain ${chainId} does not run Cancun's instructions (PUSH0, MCOPY, TLOAD, TSTORE): it needs an upgrade of its rules before Attune's contracts run there`,
      { cause },
    )
  }
}
