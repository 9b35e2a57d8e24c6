import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { type Address, type Hex, createTestClient, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { anvilArgs, anvilPath } from '../../contracts/ledger/client/anvil.ts'
import { openClient } from '../../contracts/ledger/client/chain.ts'

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
  const client = openClient(rpcUrl, chainId)
  await answering(client, anvil)
  return {
    rpcUrl,
    chainId,
    port,
    client,
    control: createTestClient({ mode: 'anvil', chain: client.chain, transport: http(rpcUrl) }),
    async stop() {
      anvil.kill('SIGINT')
      await ended
    },
    async kill() {
      anvil.kill('SIGKILL')
      await ended
    },
  }
}

export type ChainOptions = { chainId?: number; port?: number; state?: string; args?: string[] }
export type TestChain = {
  rpcUrl: string
  chainId: number
  port: number
  client: ReturnType<typeof openClient>
  /** anvil's own requests: mine, snapshot, revert, increaseTime, reset. */
  control: ReturnType<typeof createTestClient>
  stop(): Promise<void>
  kill(): Promise<void>
}

/** anvil's published development accounts, rich on every private chain. */
export const ADMIN = devAccount('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80')
export const RECORDER = devAccount('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
export const STRANGER = devAccount('0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a')

function devAccount(privateKey: Hex): { privateKey: Hex; address: Address } {
  return { privateKey, address: privateKeyToAccount(privateKey).address }
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

async function answering(client: TestChain['client'], anvil: ReturnType<typeof spawn>): Promise<void> {
  const deadline = Date.now() + 20_000
  for (;;) {
    if (anvil.exitCode !== null) throw new Error(`anvil ended with code ${anvil.exitCode} at its start`)
    try {
      await client.getChainId()
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
