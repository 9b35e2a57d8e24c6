// An EVM in this process: thousands of transactions a second, for rules that need many of them.
import { Common, Hardfork, Mainnet } from '@ethereumjs/common'
import { type EVM, createEVM } from '@ethereumjs/evm'
import { SimpleStateManager } from '@ethereumjs/statemanager'
import { createAccount, createAddressFromString, bytesToHex, hexToBytes } from '@ethereumjs/util'
import { Interface, type InterfaceAbi, concat } from 'ethers'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { CONTRACT_NAMES, artifact } from '../../contracts/solidity/compile.ts'
import { decodedResult } from './decoded.ts'

/**
 * What came of a transaction: what its function gave, or the error it ended with, by name. Gas without what any
 * transaction costs.
 */
export type Outcome = { error: null; value: unknown; gas: bigint } | { error: string }
export type Contract = { address: Address; abi: Interface }
export type Call = { from: Address; to: Contract; name: string; args?: readonly unknown[]; value?: bigint }

export type LocalEvm = Awaited<ReturnType<typeof openEvm>>

/** @param chainId what contracts see as the chain's @param state another's, to go on from */
export async function openEvm(chainId = 31_337, state = new SimpleStateManager(), time = 1_800_000_000n) {
  const common = new Common({ chain: { ...Mainnet, chainId }, hardfork: Hardfork.Prague })
  const evm: EVM = await createEVM({ common, stateManager: state })
  const clock = { now: time }
  const addressOf = (address: Address) => createAddressFromString(address)

  async function run(call: { from: Address; to?: Address; data: Hex; value?: bigint }) {
    const caller = addressOf(call.from)
    const header = {
      number: 1n,
      timestamp: clock.now,
      gasLimit: GAS,
      coinbase: caller,
      difficulty: 0n,
      prevRandao: new Uint8Array(32),
      baseFeePerGas: 0n,
      getBlobGasPrice: () => 1n,
    }
    const result = await evm.runCall({
      caller,
      origin: caller,
      ...(call.to !== undefined && { to: addressOf(call.to) }),
      data: hexToBytes(call.data),
      value: call.value ?? 0n,
      gasLimit: GAS,
      block: { header },
    })
    // What lasts for one transaction only.
    evm.transientStorage.clear()
    state.originalStorageCache.clear()
    await evm.journal.cleanup()
    return result
  }

  const self = {
    clock,
    async give(address: Address, wei: bigint): Promise<void> {
      const account = await state.getAccount(addressOf(address))
      await state.putAccount(
        addressOf(address),
        createAccount({
          nonce: account?.nonce ?? 0n,
          balance: (account?.balance ?? 0n) + wei,
          codeHash: account?.codeHash,
          storageRoot: account?.storageRoot,
        }),
      )
    },
    balance: async (address: Address): Promise<bigint> => (await state.getAccount(addressOf(address)))?.balance ?? 0n,

    async deploy(
      from: Address,
      compiled: { abi: InterfaceAbi; bytecode: Hex },
      args: readonly unknown[] = [],
    ): Promise<Contract> {
      const abi = new Interface(compiled.abi)
      const data = concat([compiled.bytecode, abi.encodeDeploy(args)]) as Hex
      const { createdAddress, execResult } = await run({ from, data })
      if (createdAddress === undefined || execResult.exceptionError !== undefined)
        throw new Error(`the deployment failed: ${nameOf(execResult.returnValue)}`)
      return { address: createdAddress.toString(), abi }
    },

    async send({ from, to, name, args = [], value = 0n }: Call): Promise<Outcome> {
      const { execResult } = await run({
        from,
        to: to.address,
        data: to.abi.encodeFunctionData(name, args) as Hex,
        value,
      })
      const { exceptionError, returnValue, executionGasUsed } = execResult
      if (exceptionError !== undefined) return { error: nameOf(returnValue) }
      return { error: null, gas: executionGasUsed, value: decodedResult(to.abi, name, bytesToHex(returnValue)) }
    },

    /** A view's answer. */
    async read<T>(to: Contract, name: string, args: readonly unknown[] = []): Promise<T> {
      const outcome = await self.send({ from: NOBODY, to, name, args })
      if (outcome.error !== null) throw new Error(`${name} failed with ${outcome.error}`)
      return outcome.value as T
    },

    /** All of this, from here on by itself, as a chain of another id. */
    fork: (id: number) => openEvm(id, state.shallowCopy() as SimpleStateManager, clock.now),
  }
  return self
}

const GAS = 30_000_000n
const NOBODY: Address = '0x00000000000000000000000000000000000000ff'

/** By selector; the distributor passes the ledger's errors on, and both those of what they call. */
const ERRORS = new Map<string, string>()
for (const name of CONTRACT_NAMES)
  new Interface(artifact(name).abi).forEachError((error) => ERRORS.set(error.selector, error.name))

function nameOf(returned: Uint8Array): string {
  const data = bytesToHex(returned)
  return data === '0x' ? 'nothing' : (ERRORS.get(data.slice(0, 10)) ?? data)
}
