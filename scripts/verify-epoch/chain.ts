// The chain's state, queried from a node in plain JSON-RPC.

import { type Hex, keccak256, word } from './hashes.ts'

export type ChainEpoch = {
  chainId: bigint
  ledger: string
  epochId: number
  contributionsRoot: Hex
  rewardsRoot: Hex
  /** Its first 20 bytes. */
  manifestHash: string
  count: number
  /** Seconds since 1970. */
  finalAt: number
}

/** @throws Error if the node does not respond, or has no such ledger or epoch */
export async function readEpoch(rpcUrl: string, ledger: string, epochId: number): Promise<ChainEpoch> {
  const chainId = BigInt(String(await rpc(rpcUrl, 'eth_chainId', [])))
  const words = await call(rpcUrl, ledger, 'epochs(uint256)', [word(epochId)], 'latest')
  const [contributionsRoot, rewardsRoot, manifestHash, count, , finalAt] = words
  if (words.length !== 6) throw new Error(`there is no ledger at ${ledger} on chain ${chainId}`)
  if (BigInt(`0x${count}`) === 0n) throw new Error(`the ledger at ${ledger} has no epoch ${epochId}`)
  return {
    chainId,
    ledger: ledger.toLowerCase(),
    epochId,
    contributionsRoot: `0x${contributionsRoot}`,
    rewardsRoot: `0x${rewardsRoot}`,
    manifestHash: `0x${manifestHash}`.slice(0, 42),
    count: Number(`0x${count}`),
    finalAt: Number(`0x${finalAt}`),
  }
}

/** The time of a block, seconds since 1970; null if the chain has no such block. */
export async function readTime(rpcUrl: string, block: bigint): Promise<number | null> {
  const found = await rpc(rpcUrl, 'eth_getBlockByNumber', [hex(block), false])
  const timestamp = found !== null && typeof found === 'object' && 'timestamp' in found ? found.timestamp : null
  return typeof timestamp === 'string' ? Number(timestamp) : null
}

/**
 * The ledger's count of upheld disputes, and when the last of them was decided, at a block; zero before it was
 * deployed.
 */
export async function readRejections(
  rpcUrl: string,
  ledger: string,
  block: bigint,
): Promise<{ rejections: number; rejectedAt: number }> {
  const words = await call(rpcUrl, ledger, 'ledgerState()', [], hex(block))
  return { rejections: Number(`0x${words[6] ?? 0}`), rejectedAt: Number(`0x${words[7] ?? 0}`) }
}

/** A bounty's terms at a block; all zero if the distributor did not have it yet. */
export async function readBounty(
  rpcUrl: string,
  distributor: string,
  bounty: string,
  block: bigint,
): Promise<{ closedAt: string; funded: string; perCredit: string }> {
  const words = await call(rpcUrl, distributor, 'bounties(bytes32)', [bounty.slice(2)], hex(block))
  const [, , , closedAt = '0', funded = '0', perCredit = '0'] = words.map((value) => String(BigInt(`0x${value}`)))
  return { closedAt, funded, perCredit }
}

/** The ledger that a distributor pays by; null if there is no distributor. */
export async function readLedgerOf(rpcUrl: string, distributor: string): Promise<string | null> {
  const [ledger] = await call(rpcUrl, distributor, 'LEDGER()', [], 'latest').catch(() => [])
  return ledger === undefined ? null : `0x${ledger.slice(24)}`
}

async function call(
  rpcUrl: string,
  to: string,
  signature: string,
  args: readonly string[],
  block: string,
): Promise<string[]> {
  const selector = keccak256(new TextEncoder().encode(signature)).slice(0, 10)
  const answer = await rpc(rpcUrl, 'eth_call', [{ to, data: selector + args.join('') }, block])
  return String(answer).slice(2).match(/.{64}/g) ?? []
}

async function rpc(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  const body = (await answer.json()) as { result?: unknown; error?: { message?: string } }
  if (body.result === undefined) throw new Error(`the node refused ${method}: ${body.error?.message ?? answer.status}`)
  return body.result
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`
}
