import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { type JsonRpcProvider, type TransactionReceipt, toQuantity } from 'ethers'
import { anvilArgs, anvilPath } from '../../contracts/ledger/client/anvil.ts'
import { openProvider } from '../../contracts/ledger/client/rpc.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { accountOf } from './accounts.ts'

/**
 * Starts a private anvil on a free port and waits until it answers; `stop()`
 * ends it (SIGINT, on which it writes its state file), `kill()` ends it at once.
 *
 * @param options.state state file, loaded if there and written on exit and every second
 * @param options.args more of anvil's own arguments
 */
export async function startChain(options: ChainOptions = {}): Promise<TestChain> {
  const { chainId = 31_337, port = await freePort(), state, args = [] } = options
  const anvil = spawn(
    anvilPath(),
    [...anvilArgs({ port, chainId, saveEvery: 1, ...(state !== undefined && { state }) }), ...args],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  const ended = new Promise<void>((resolve) => anvil.once('exit', () => resolve()))
  const rpcUrl = `http://127.0.0.1:${port}`
  const provider = openProvider(rpcUrl, chainId)
  await answering(provider, anvil)
  const end = async (signal: 'SIGINT' | 'SIGKILL') => {
    anvil.kill(signal)
    await ended
    provider.destroy()
  }
  return {
    rpcUrl,
    chainId,
    port,
    provider,
    control: controlOf(provider),
    stop: () => end('SIGINT'),
    kill: () => end('SIGKILL'),
  }
}

export type ChainOptions = { chainId?: number; port?: number; state?: string; args?: string[] }
export type TestChain = {
  rpcUrl: string
  chainId: number
  port: number
  provider: JsonRpcProvider
  control: ChainControl
  stop(): Promise<void>
  kill(): Promise<void>
}

/** anvil's own requests. */
export function controlOf(provider: JsonRpcProvider) {
  const send = async (method: string, ...params: unknown[]): Promise<unknown> => provider.send(method, params)
  return {
    mine: async ({ blocks }: { blocks: number }) => void (await send('anvil_mine', toQuantity(blocks), '0x0')),
    /** Whether each transaction gets its block at once. */
    setAutomine: async (on: boolean) => void (await send('evm_setAutomine', on)),
    increaseTime: async ({ seconds }: { seconds: number }) =>
      void (await send('evm_increaseTime', toQuantity(seconds))),
    setNextBlockTimestamp: async ({ timestamp }: { timestamp: number }) =>
      void (await send('evm_setNextBlockTimestamp', toQuantity(timestamp))),
    setNextBlockBaseFeePerGas: async ({ baseFeePerGas }: { baseFeePerGas: bigint }) =>
      void (await send('anvil_setNextBlockBaseFeePerGas', toQuantity(baseFeePerGas))),
    snapshot: async () => (await send('evm_snapshot')) as Hex,
    async revert({ id }: { id: Hex }) {
      if ((await send('evm_revert', id)) !== true) throw new Error(`there is no snapshot ${id}`)
    },
    setStorageAt: async ({ address, index, value }: { address: Address; index: number | Hex; value: Hex }) =>
      void (await send('anvil_setStorageAt', address, toQuantity(index), value)),
    /** Transactions that wait for a block. */
    waiting: async () => Number(((await send('txpool_status')) as { pending: Hex }).pending),
    dropAllTransactions: async () => void (await send('anvil_dropAllTransactions')),
    /** Replaces the last blocks by empty ones. */
    reorganise: async ({ depth }: { depth: number }) => void (await send('anvil_reorg', depth, [])),
  }
}
export type ChainControl = ReturnType<typeof controlOf>

/** Waits until a block holds the transaction, whether it succeeded or failed. */
export async function mined({ provider }: Pick<TestChain, 'provider'>, hash: string): Promise<TransactionReceipt> {
  const deadline = Date.now() + 60_000
  for (;;) {
    const receipt = await provider.getTransactionReceipt(hash)
    if (receipt !== null) return receipt
    if (Date.now() > deadline) throw new Error(`no block has taken ${hash}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** The time of the newest block, seconds since 1970. */
export async function timeOf({ provider }: Pick<TestChain, 'provider'>): Promise<bigint> {
  const block = await provider.getBlock('latest')
  if (block === null) throw new Error('a chain without blocks')
  return BigInt(block.timestamp)
}

/** anvil's published development accounts, rich on every private chain. */
export const ADMIN = devAccount('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80')
export const RECORDER = devAccount('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
export const STRANGER = devAccount('0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a')

function devAccount(privateKey: Hex): { privateKey: Hex; address: Address } {
  return { privateKey, address: accountOf(privateKey).address }
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() =>
        address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      )
    })
  })
}

async function answering(provider: JsonRpcProvider, anvil: ReturnType<typeof spawn>): Promise<void> {
  const deadline = Date.now() + 20_000
  for (;;) {
    if (anvil.exitCode !== null) throw new Error(`anvil ended with code ${anvil.exitCode} at its start`)
    try {
      await provider.send('eth_chainId', [])
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
