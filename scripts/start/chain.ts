/** A private EVM chain: one anvil, its state kept in a file across restarts and kills. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { anvilArgs, anvilPath } from '../../contracts/anvil.ts'
import { orStop, startChild } from './child.ts'
import { errorCode, StartFault } from './fault.ts'
import type { Service, ServiceOptions } from './services.ts'

/** anvil's first published development account: rich on a private chain, worthless and known to all elsewhere. */
export const devKey = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
export const chainId = 31_337

const startMs = 20_000
/** How often anvil writes its state, seconds: what a kill may lose, and the recorder sends again. */
const saveEvery = 2
/** How often a changed state is set aside, milliseconds. */
const keepMs = 2_000

export async function openChain({ dir, port }: ServiceOptions): Promise<Service> {
  const folder = join(dir, 'chain')
  const state = join(folder, 'state.json')
  const kept = join(folder, 'state.kept.json')
  mkdirSync(folder, { recursive: true })
  recover(state, kept)
  const child = await startChild({
    name: 'the chain',
    command: anvilPath(),
    args: anvilArgs({ port, chainId, state, saveEvery }),
    env: { HOME: folder, PATH: '/usr/bin:/bin' }, // anvil keeps its own scratch files below HOME
    cwd: folder,
    log: join(dir, 'logs', 'chain.log'),
    pidFile: join(dir, 'run', 'chain.json'),
    stopSignal: 'SIGINT', // on which anvil writes its state
    graceMs: 10_000,
  })
  const url = `http://127.0.0.1:${port}`
  await orStop(child, () => answering(url, child.running, () => child.logTail()))
  const stopKeeping = keepWhole(state, kept)
  void child.exited.then(stopKeeping)
  return { url, child, close: child.stop }
}

/** anvil writes its state in place: a kill at the wrong moment leaves half a file. The last whole one then serves. */
function recover(state: string, kept: string): void {
  if (!existsSync(state) || isWhole(readFileSync(state))) return
  if (existsSync(kept)) copyFileSync(kept, state)
  else rmSync(state)
}

/** Sets each new state aside once it is whole; where anvil is just writing it, looks again soon. */
function keepWhole(state: string, kept: string): () => void {
  let last: Buffer | undefined
  const keep = () => {
    let wait = keepMs
    const now = existsSync(state) ? readFileSync(state) : undefined
    if (now && !last?.equals(now)) {
      if (isWhole(now)) {
        writeFileSync(`${kept}.new`, now)
        renameSync(`${kept}.new`, kept)
        last = now
      } else wait = 100
    }
    timer = setTimeout(keep, wait).unref()
  }
  let timer = setTimeout(keep, keepMs).unref()
  return () => clearTimeout(timer)
}

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
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      signal: AbortSignal.timeout(10_000),
    })
    const body: unknown = await answer.json()
    const result = body !== null && typeof body === 'object' && 'result' in body ? body.result : undefined
    if (typeof result !== 'string') throw new StartFault(`${url} doesn't answer like an EVM node: set BLOCKCHAIN_RPC_URL to one`)
    return result
  } catch (error) {
    const cause = error instanceof TypeError ? error.cause : undefined
    if (errorCode(cause) === 'ECONNREFUSED' || errorCode(cause) === 'UND_ERR_SOCKET' || errorCode(cause) === 'ECONNRESET') return null
    throw error
  }
}
