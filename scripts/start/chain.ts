/** A private EVM chain: one anvil, its state kept in a file across restarts and kills. */
import { randomInt } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { anvilArgs, anvilPath } from '../../contracts/ledger/client/anvil.ts'
import { openChainGate } from './chain-gate.ts'
import { orStop, startChild } from './child.ts'
import { errorCode, errorText, StartFault } from './fault.ts'
import { freePort } from './ports.ts'
import type { Service, ServiceOptions } from './service.ts'

/** anvil's first published development account: rich on a private chain, worthless and known to all elsewhere. */
export const devKey = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
/** Others of these accounts: the relayer's and the treasurer's. */
export const relayerDevKey = '0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba'
export const treasurerDevKey = '0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e'
export const chainId = 31_337

const startMs = 20_000
/** How often anvil writes its state, seconds: a kill may lose this much, which the recorder sends again. */
const saveEvery = 2
/** How often a changed state is backed up, milliseconds. */
const keepMs = 2_000
/** How often the chain's clock is checked, milliseconds. */
const clockMs = 1_000

/**
 * @param quietSeconds an empty block follows the last one with a transaction after this long: for whatever waits for a
 *   time on chain
 */
export async function openChain({
  dir,
  port,
  quietSeconds = 0,
  onTrouble = () => undefined,
}: ServiceOptions & { quietSeconds?: number }): Promise<Service> {
  const folder = join(dir, 'chain')
  const state = join(folder, 'state.json')
  const kept = join(folder, 'state.kept.json')
  mkdirSync(folder, { recursive: true })
  recover(state, kept)
  const node = await placeOfNode(port)
  const child = await startChild({
    name: 'the chain',
    command: anvilPath(),
    args: anvilArgs({ ...node, chainId, state, saveEvery }),
    env: { HOME: folder, PATH: '/usr/bin:/bin' }, // anvil keeps its own scratch files below HOME
    cwd: folder,
    log: join(dir, 'logs', 'chain.log'),
    pidFile: join(dir, 'run', 'chain.json'),
    stopSignal: 'SIGINT', // on which anvil writes its state
    graceMs: 10_000,
    onTrouble,
  })
  const nodeUrl = `http://${node.host}:${node.port}`
  await orStop(child, () => answering(nodeUrl, child.running, () => child.logTail()))
  const gate = await orStop(child, () => openChainGate(port, node))
  const stopKeeping = keepWhole(state, kept, onTrouble)
  const stopClock = quietSeconds > 0 ? keepClock(nodeUrl, quietSeconds) : () => undefined
  const closed = child.exited.then(stopKeeping).then(stopClock).then(gate.close)
  return {
    url: `http://127.0.0.1:${port}`,
    child,
    async close() {
      await child.stop()
      await closed
    },
  }
}

/**
 * An address where no page finds the node behind its gate: of Linux's 2^24 loopback addresses a new
 * one each time; elsewhere, where there is only one, another port.
 */
async function placeOfNode(port: number): Promise<{ host: string; port: number }> {
  if (process.platform !== 'linux') return { host: '127.0.0.1', port: await freePort() }
  const part = () => randomInt(1, 255)
  return { host: `127.${part()}.${part()}.${part()}`, port }
}

/**
 * anvil writes its state in place: a kill at the wrong moment leaves half a file. The last complete one is then used.
 */
function recover(state: string, kept: string): void {
  if (!existsSync(state) || isWhole(readFileSync(state))) return
  if (existsSync(kept)) copyFileSync(kept, state)
  else rmSync(state)
}

/**
 * Backs up each new state once it is complete; if anvil is just writing it, checks again soon. On a full disk there is
 * no backup until there is space again.
 */
function keepWhole(state: string, kept: string, onTrouble: (message: string) => void): () => void {
  let last: Buffer | undefined
  const look = (): number => {
    const now = existsSync(state) ? readFileSync(state) : undefined
    if (!now || last?.equals(now)) return keepMs
    if (!isWhole(now)) return 100
    writeFileSync(`${kept}.new`, now)
    renameSync(`${kept}.new`, kept)
    last = now
    return keepMs
  }
  const keep = () => {
    let wait = keepMs
    try {
      wait = look()
    } catch (error) {
      rmSync(`${kept}.new`, { force: true })
      onTrouble(`the chain's state can't be set aside (${errorText(error)}): free some space on the disk of ${kept}`)
    }
    timer = setTimeout(keep, wait).unref()
  }
  let timer = setTimeout(keep, keepMs).unref()
  return () => clearTimeout(timer)
}

/**
 * Time passes on chain only with its blocks, and none are mined while nothing is sent: what becomes
 * final then needs one more. It contains no transaction, so an idle chain still does not grow.
 */
function keepClock(url: string, quietSeconds: number): () => void {
  const look = async () => {
    const block = Block.safeParse(await request(url, 'eth_getBlockByNumber', ['latest', false]))
    const due =
      block.success &&
      block.data.transactions.length > 0 &&
      Number(block.data.timestamp) + quietSeconds < Date.now() / 1_000
    if (due) await request(url, 'evm_mine', [])
  }
  const turn = () => {
    // A chain that does not respond is checked again; others report what is wrong with it.
    void look()
      .catch(() => undefined)
      .then(() => (timer = setTimeout(turn, clockMs).unref()))
  }
  let timer = setTimeout(turn, clockMs).unref()
  return () => clearTimeout(timer)
}
const Block = z.object({ timestamp: z.string(), transactions: z.array(z.unknown()) })

function isWhole(state: Buffer): boolean {
  try {
    JSON.parse(state.toString())
    return true
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
}

async function answering(url: string, running: () => boolean, logTail: () => string): Promise<void> {
  const giveUpAt = Date.now() + startMs
  for (;;) {
    if (!running()) throw new StartFault(`the chain stopped while starting; the end of its log:\n${logTail()}`)
    if ((await askChainId(url)) !== null) return
    if (Date.now() > giveUpAt) throw new StartFault(`the chain doesn't answer; the end of its log:\n${logTail()}`)
    await sleep(15)
  }
}

/** The chain id that a node serves; null where nothing listens. */
export async function askChainId(url: string): Promise<number | null> {
  const id = await ask(url, 'eth_chainId', [])
  return id === null ? null : Number(id)
}

/** Whether there is a contract at this address. */
export async function hasCode(url: string, address: string): Promise<boolean> {
  const code = await ask(url, 'eth_getCode', [address, 'latest'])
  return code !== null && code !== '0x'
}

/** A request whose answer is a hexadecimal number; null where nothing listens. */
async function ask(url: string, method: string, params: unknown[]): Promise<string | null> {
  const result = await request(url, method, params)
  if (result === null || typeof result === 'string') return result
  throw new StartFault(`${url} doesn't answer like an EVM node: set BLOCKCHAIN_RPC_URL to one`)
}

/** A node's response; null where nothing listens, undefined where it refuses. */
async function request(url: string, method: string, params: unknown[]): Promise<unknown> {
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      signal: AbortSignal.timeout(10_000),
    })
    const body: unknown = await answer.json()
    return body !== null && typeof body === 'object' && 'result' in body ? body.result : undefined
  } catch (error) {
    const cause = error instanceof TypeError ? error.cause : undefined
    if (
      errorCode(cause) === 'ECONNREFUSED' ||
      errorCode(cause) === 'UND_ERR_SOCKET' ||
      errorCode(cause) === 'ECONNRESET'
    )
      return null
    throw error
  }
}
