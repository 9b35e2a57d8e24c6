/** A page's queries to a chain's node, by JSON-RPC: what it shows comes from the contracts, not from the server. */
import { concat, id, toBeHex, zeroPadValue } from 'ethers'
import type { Hex } from '../../../contracts/ledger/hex.ts'

/**
 * The server forwards reads of the ledger and the distributor to its node; `npm run verify` queries a node of one's
 * own.
 */
export const RELAY = '/api/blockchain/rpc'

/** The node, or the contract behind it, returned an error. */
export class NodeRefusal extends Error {
  /** The contract's own error; null where the node gave none. */
  readonly data: Hex | null

  constructor(message: string, data: Hex | null) {
    super(message)
    this.name = 'NodeRefusal'
    this.data = data
  }
}

/** The chain that a node serves. @throws NodeRefusal, TypeError where nothing responds */
export const servedChain = async (url: string): Promise<number> => Number(await ask(url, 'eth_chainId', []))

/**
 * A contract's response in words of 32 bytes, 64 hex digits each; none where there is no contract.
 *
 * @param signature like `claimed(bytes32,address)`
 * @throws NodeRefusal, TypeError where nothing responds
 */
export async function readWords(
  url: string,
  contract: string,
  signature: string,
  args: readonly Hex[],
): Promise<string[]> {
  const data = concat([id(signature).slice(0, SELECTOR_CHARS), ...args.map((arg) => zeroPadValue(arg, WORD_BYTES))])
  const result = await ask(url, 'eth_call', [{ to: contract, data }, 'latest'])
  return result.slice(2).match(/.{64}/g) ?? []
}

/** A number as a word. */
export const word = (value: number | bigint): Hex => toBeHex(value, WORD_BYTES) as Hex

const WORD_BYTES = 32
/** `0x` and four bytes of the signature's hash. */
const SELECTOR_CHARS = 10

async function ask(url: string, method: string, params: readonly unknown[]): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  if (!response.ok) throw new NodeRefusal(`the node answered ${response.status}`, null)
  const body: unknown = await response.json()
  if (typeof body === 'object' && body !== null && 'result' in body && typeof body.result === 'string')
    return body.result
  throw new NodeRefusal(`the node refused ${method}`, refusalIn(body))
}

function refusalIn(body: unknown): Hex | null {
  const { error } = body as { error?: { data?: unknown } }
  return typeof error?.data === 'string' && error.data.startsWith('0x') ? (error.data as Hex) : null
}
