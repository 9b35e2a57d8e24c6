import {
  AbiCoder,
  type Interface,
  JsonRpcProvider,
  type JsonRpcPayload,
  type JsonRpcResult,
  Network,
  ParamType,
  encodeBase64,
  getBytes,
  isError,
  makeError,
  toBeHex,
  toUtf8Bytes,
} from 'ethers'
import { LedgerError } from '../errors.ts'
import type { Address, Hex } from '../hex.ts'
import { distributorInterface, ledgerInterface, tokenInterface } from './abi.ts'

// A node of a chain: queries and responses as plain data.

export type Provider = JsonRpcProvider

/**
 * A provider for one node; it connects to nothing until the first request. The chain is taken as given (`servedChain`
 * queries it), nothing is cached between requests, and a request that gets no response in time rejects with LedgerError
 * `unreachable`. Whoever watches its events, or waits by them, has to destroy it.
 *
 * @param timeoutMs of one request, its one retry included
 */
export function openProvider(rpcUrl: string, chainId: number, timeoutMs = 10_000): Provider {
  return new NodeProvider(rpcUrl, chainId, timeoutMs)
}

/** The chain that the node says it serves. */
export const servedChain = async (provider: Provider): Promise<number> =>
  Number(await quantity(provider, 'eth_chainId'))

/** A numeric response of a node. */
export async function quantity(provider: Provider, method: string, params: unknown[] = []): Promise<bigint> {
  const answer: unknown = await provider.send(method, params)
  return BigInt(String(answer))
}

/** A contract, and the part of its ABI that is called here. */
export type Contract = { address: Address; abi: Interface }

/**
 * What a view returns, as plain data: one value, or an object of the values by name. Integers of up to 48 bits are
 * numbers, larger ones bigints, addresses in lower case. `T` is asserted by the caller.
 *
 * @param block at whose end it is queried; the newest if absent
 */
export async function call<T>(
  provider: Provider,
  { address, abi }: Contract,
  name: string,
  args: readonly unknown[] = [],
  block: bigint | 'latest' = 'latest',
): Promise<T> {
  const view = abi.getFunction(name)
  if (view === null) throw new Error(`there is no function ${name}`)
  const answer = await provider.call({ to: address, data: abi.encodeFunctionData(view, args), blockTag: block })
  if (answer === '0x' && view.outputs.length > 0)
    throw makeError('no contract answers here', 'BAD_DATA', { value: answer })
  const values = decode(view.outputs, answer)
  return (view.outputs.length === 1 ? values[0] : byName(view.outputs, values)) as T
}

/** Whether a view failed because there is no contract, or none that has it. */
export const isSilence = (error: unknown): boolean => isError(error, 'BAD_DATA') && error.value === '0x'

export type EventLog<Args> = {
  name: string
  args: Args
  blockNumber: bigint
  blockHash: Hex
  txHash: Hex
  logIndex: number
}

/**
 * Events of a contract by name, in the given blocks, both included; in the chain's order.
 *
 * @param first only those whose first indexed argument is this
 */
export async function events<Args>(
  provider: Provider,
  { address, abi }: Contract,
  names: readonly string[],
  fromBlock: bigint,
  toBlock: bigint | 'latest',
  first?: bigint,
): Promise<EventLog<Args>[]> {
  const topics = [names.map((name) => topicOf(abi, name)), ...(first === undefined ? [] : [toBeHex(first, 32)])]
  const logs = await provider.getLogs({ address, topics, fromBlock, toBlock })
  return logs.flatMap((log) => {
    const event = readEvent<Args>({ address, abi }, log)
    return event === null ? [] : [event]
  })
}

type RawLog = {
  address: string
  topics: readonly string[]
  data: string
  blockNumber: number
  blockHash: string
  transactionHash: string
  index: number
}

/** Null if the log is not the contract's, or of an unknown event. */
export function readEvent<Args>({ address, abi }: Contract, log: RawLog): EventLog<Args> | null {
  const [topic = '', ...indexed] = log.topics
  const event = abi.getEvent(topic)
  if (event === null || log.address.toLowerCase() !== address.toLowerCase()) return null
  const plain = decode(
    event.inputs.filter((input) => !input.indexed),
    log.data,
  )
  const values = event.inputs.map((input) =>
    input.indexed ? decode([input], indexed.shift() ?? '0x')[0] : plain.shift(),
  )
  return {
    name: event.name,
    args: byName(event.inputs, values) as Args,
    blockNumber: BigInt(log.blockNumber),
    blockHash: log.blockHash as Hex,
    txHash: log.transactionHash as Hex,
    logIndex: log.index,
  }
}

/** Runs requests, turning a contract's refusal into LedgerError `reverted` with the name of the contract's error. */
export async function named<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request()
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal === null) throw error
    throw new LedgerError('reverted', `the ledger refused: ${refusal}`, { cause: error })
  }
}

/** The contract's revert data; null for any other error. */
export function refusalOf(error: unknown): string | null {
  if (!isError(error, 'CALL_EXCEPTION')) return null
  const { data } = error
  if (data === null || data === '0x') {
    // ethers takes any error of a node in a call for a revert, even that it is overloaded or knows no such block.
    const said = answerOf(error)
    return said === null || /revert|invalid opcode|out of gas/i.test(said) ? (said ?? error.shortMessage) : null
  }
  const known = [ledgerInterface, distributorInterface, tokenInterface].map((abi) => abi.getError(data.slice(0, 10)))
  return error.reason ?? known.find((one) => one !== null)?.name ?? `an unknown error, ${data.slice(0, 10)}`
}

/** The node's own message for an error that it returned; null if it gave none. */
export function answerOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null) return null
  const { info, error: given } = error as { info?: { error?: unknown }; error?: unknown }
  const said = given ?? info?.error
  return typeof said === 'object' && said !== null && 'message' in said ? String(said.message) : null
}

function topicOf(abi: Interface, name: string): string {
  const event = abi.getEvent(name)
  if (event === null) throw new Error(`there is no event ${name}`)
  return event.topicHash
}

/**
 * A string may hold any bytes, and anybody may write one. ethers fails where they are not UTF-8, so they are read as
 * bytes, and invalid ones become U+FFFD.
 */
function decode(params: readonly ParamType[], data: string): unknown[] {
  const loose = params.map((param) => ParamType.from(param.format('sighash').replace(/\bstring\b/g, 'bytes')))
  const values = AbiCoder.defaultAbiCoder().decode(loose, data)
  return params.map((param, i) => plain(param, values[i]))
}

function plain(param: ParamType, value: unknown): unknown {
  if (param.isArray()) return (value as unknown[]).map((item) => plain(param.arrayChildren, item))
  if (param.isTuple())
    return byName(
      param.components,
      param.components.map((part, i) => plain(part, (value as unknown[])[i])),
    )
  if (param.type === 'string') return new TextDecoder().decode(getBytes(String(value)))
  if (param.type === 'address') return String(value).toLowerCase()
  return SMALL.test(param.type) ? Number(value) : value
}

/** Integer types that are returned as numbers, which hold them exactly. */
const SMALL = /^u?int(8|16|24|32|40|48)$/

const byName = (params: readonly ParamType[], values: readonly unknown[]): Record<string, unknown> =>
  Object.fromEntries(params.map(({ name }, i) => [name, values[i]]))

/** Responses of a node in trouble; the request is retried once. */
const PASSING = new Set([408, 429, 500, 502, 503, 504])
const AGAIN_MS = 150

/** ethers' own transport counts the time from the connection on, and leaves a timed-out request running. */
class NodeProvider extends JsonRpcProvider {
  readonly #url: string
  readonly #headers: Record<string, string>
  readonly #timeoutMs: number

  constructor(rpcUrl: string, chainId: number, timeoutMs: number) {
    // A plain network: those that ethers knows come with fee lookups at third parties, and with names.
    const network = new Network(`chain ${chainId}`, chainId)
    super(rpcUrl, network, { staticNetwork: network, batchMaxCount: 1, cacheTimeout: -1, pollingInterval: 200 })
    const url = new URL(rpcUrl)
    const login = url.username === '' ? null : `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
    url.username = url.password = ''
    this.#url = url.href
    this.#headers = {
      'content-type': 'application/json',
      ...(login !== null && { authorization: `Basic ${encodeBase64(toUtf8Bytes(login))}` }),
    }
    this.#timeoutMs = timeoutMs
  }

  override async _send(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    const signal = AbortSignal.timeout(this.#timeoutMs)
    const body = JSON.stringify(payload)
    try {
      const answer = await this.#post(body, signal).catch(async (error: unknown) => {
        if (signal.aborted || (error instanceof StatusError && !PASSING.has(error.status))) throw error
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
        return this.#post(body, signal)
      })
      return Array.isArray(answer) ? answer : [answer]
    } catch (cause) {
      throw new LedgerError('unreachable', 'the chain does not answer', { cause })
    }
  }

  async #post(body: string, signal: AbortSignal): Promise<JsonRpcResult | JsonRpcResult[]> {
    const response = await fetch(this.#url, { method: 'POST', headers: this.#headers, body, signal })
    const text = await response.text()
    if (!response.ok) throw new StatusError(response.status, text)
    return JSON.parse(text)
  }
}

class StatusError extends Error {
  override readonly name = 'StatusError'
  readonly status: number

  constructor(status: number, text: string) {
    super(`the node answers with status ${status}: ${text.slice(0, 200)}`)
    this.status = status
  }
}
