import { concat, getCreate2Address, keccak256 } from 'ethers'
import { LedgerError } from '../../contracts/ledger/errors.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { type Deployer, receiptOf } from './deployer.ts'

/**
 * The canonical deterministic deployer, at this address on nearly every chain: it
 * creates what it is sent (salt ‖ creation code) at an address that depends on
 * nothing else.
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
 * Deploys a contract at the address that follows from its creation code and the
 * salt, unless it is there already: a second run, or one after an interrupted
 * run, completes the deployment. On a chain without the factory the address
 * follows from the deployer's nonce instead.
 */
export async function place(deployer: Deployer, name: string, initCode: Hex, salt: Hex): Promise<Placed> {
  const { provider } = deployer
  const codeHash = keccak256(initCode) as Hex
  const isThere = async (address: Address): Promise<boolean> => (await provider.getCode(address)) !== '0x'
  if (!(await isThere(FACTORY))) {
    const txHash = await deployer.send({ data: initCode })
    const { status, contractAddress, blockNumber } = await receiptOf(provider, txHash)
    if (status !== 1 || contractAddress === null) throw failed(name, txHash)
    return { address: contractAddress.toLowerCase() as Address, txHash, blockNumber, codeHash, deterministic: false }
  }
  const address = getCreate2Address(FACTORY, salt, codeHash).toLowerCase() as Address
  if (await isThere(address)) return { address, txHash: null, blockNumber: null, codeHash, deterministic: true }
  const txHash = await deployer.send({ to: FACTORY, data: concat([salt, initCode]) as Hex })
  const { status, blockNumber } = await receiptOf(provider, txHash)
  if (status !== 1 || !(await isThere(address))) throw failed(name, txHash)
  return { address, txHash, blockNumber, codeHash, deterministic: true }
}

function failed(name: string, txHash: Hex): LedgerError {
  return new LedgerError(
    'reverted',
    `the deployment of ${name} failed in transaction ${txHash}: its constructor refused its arguments, or the gas ran out`,
  )
}
