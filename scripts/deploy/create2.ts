import { type Address, type Hex, concat, getContractAddress, keccak256 } from 'viem'
import { LedgerError } from '../../contracts/ledger/errors.ts'
import type { Deployer } from './deployer.ts'

/**
 * The canonical deterministic deployer, at this address on nearly every chain:
 * it creates what it is sent (salt ‖ creation code) at an address that depends
 * on nothing else.
 */
export const FACTORY: Address = '0x4e59b44847b379578588920ca78fbf26c0b4956c'

/** Plain JSON. `txHash` and `blockNumber` are null for what was there already. */
export type Placed = {
  address: Address
  txHash: Hex | null
  blockNumber: number | null
  codeHash: Hex
  deterministic: boolean
}

/**
 * Puts a contract where its creation code and the salt say, unless it is there
 * already: run again, or after a half-done run, it finishes. On a chain without
 * the factory the address follows from the deployer's nonce instead.
 */
export async function place(deployer: Deployer, name: string, initCode: Hex, salt: Hex): Promise<Placed> {
  const { client, wallet } = deployer
  const codeHash = keccak256(initCode)
  if ((await client.getCode({ address: FACTORY })) === undefined) {
    const txHash = await wallet.sendTransaction({ data: initCode })
    const receipt = await client.waitForTransactionReceipt({ hash: txHash, timeout: RECEIPT_MS })
    const address = receipt.contractAddress?.toLowerCase() as Address | undefined
    if (receipt.status !== 'success' || address === undefined) throw failed(name, txHash)
    return { address, txHash, blockNumber: Number(receipt.blockNumber), codeHash, deterministic: false }
  }
  const address = getContractAddress({
    opcode: 'CREATE2',
    from: FACTORY,
    salt,
    bytecode: initCode,
  }).toLowerCase() as Address
  if ((await client.getCode({ address })) !== undefined)
    return { address, txHash: null, blockNumber: null, codeHash, deterministic: true }
  const txHash = await wallet.sendTransaction({ to: FACTORY, data: concat([salt, initCode]) })
  const receipt = await client.waitForTransactionReceipt({ hash: txHash, timeout: RECEIPT_MS })
  if (receipt.status !== 'success' || (await client.getCode({ address })) === undefined) throw failed(name, txHash)
  return { address, txHash, blockNumber: Number(receipt.blockNumber), codeHash, deterministic: true }
}

/** A block may be long in coming: 5 minutes. */
const RECEIPT_MS = 300_000

function failed(name: string, txHash: Hex): LedgerError {
  return new LedgerError(
    'reverted',
    `the deployment of ${name} failed in transaction ${txHash}: its constructor refused its arguments, or the gas ran out`,
  )
}
