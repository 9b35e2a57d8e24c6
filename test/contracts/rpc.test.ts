/** What a node may do, and what becomes of it. */
import { type IncomingMessage, type ServerResponse, createServer as createHttp } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { AbiCoder, id } from 'ethers'
import { afterEach, describe, expect, it } from 'vitest'
import { ledgerInterface } from '../../contracts/ledger/client/abi.ts'
import { openEpochChain } from '../../contracts/ledger/client/epochs.ts'
import { type Provider, call, named, openProvider } from '../../contracts/ledger/client/rpc.ts'
import type { Address } from '../../contracts/ledger/hex.ts'

const closing: (() => void)[] = []
afterEach(() => closing.splice(0).forEach((close) => close()))

const LEDGER: Address = `0x${'11'.repeat(20)}`
const contract = { address: LEDGER, abi: ledgerInterface }
const bond = (provider: Provider) => named(() => call<bigint>(provider, contract, 'disputeBond'))

type Question = { id: number; method: string; params: unknown[] }
type Answer = { result: unknown } | { error: { code: number; message: string; data?: string } }

/** A node that answers as it is told; a status in place of an answer is what HTTP says. */
async function node(answer: (question: Question, count: number) => Answer | number): Promise<string> {
  let count = 0
  const server = createHttp((request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const question = JSON.parse(Buffer.concat(chunks).toString()) as Question
      const said = answer(question, count++)
      if (typeof said === 'number') response.writeHead(said).end('no')
      else response.end(JSON.stringify({ jsonrpc: '2.0', id: question.id, ...said }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const ONE = `0x${'1'.padStart(64, '0')}`

describe('a node', () => {
  it('that takes a connection and says nothing is unreachable once its time is over', async () => {
    const mute = createServer((socket) => void closing.push(() => socket.destroy()))
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    closing.push(() => mute.close())
    const provider = openProvider(`http://127.0.0.1:${(mute.address() as AddressInfo).port}`, 1, 300)
    await expect(bond(provider)).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('that is not there, or only ever in trouble, is unreachable; one that was in trouble once has answered', async () => {
    await expect(bond(openProvider('http://127.0.0.1:1', 1))).rejects.toMatchObject({ code: 'unreachable' })
    const [down, forbidden, shaken] = [
      await node(() => 503),
      await node(() => 403),
      await node((_, count) => (count === 0 ? 429 : { result: ONE })),
    ]
    for (const url of [down, forbidden])
      await expect(bond(openProvider(url, 1))).rejects.toMatchObject({ code: 'unreachable' })
    expect(await bond(openProvider(shaken, 1))).toBe(1n)
  })

  it('that refuses a call is told from a contract that does', async () => {
    const data = ledgerInterface.encodeErrorResult('EpochNotFinal', [7n])
    const refusing = await node(() => ({ error: { code: 3, message: 'execution reverted', data } }))
    await expect(bond(openProvider(refusing, 1))).rejects.toMatchObject({
      code: 'reverted',
      message: 'the ledger refused: EpochNotFinal',
    })
    const busy = await node(() => ({ error: { code: -32_005, message: 'too many requests' } }))
    const error: unknown = await bond(openProvider(busy, 1)).catch((caught: unknown) => caught)
    expect(error).not.toMatchObject({ code: 'reverted' })
    expect(error).toMatchObject({ code: 'CALL_EXCEPTION' })
  })

  it('is asked anew each time, one question at a time', async () => {
    const asked: string[] = []
    const url = await node(({ method }, count) => {
      asked.push(method)
      return { result: `0x${count.toString(16)}` }
    })
    const provider = openProvider(url, 1)
    expect([await provider.getBlockNumber(), await provider.getBlockNumber()]).toEqual([0, 1])
    await Promise.all([provider.getBlockNumber(), provider.getBlockNumber()])
    expect(asked).toEqual(Array(4).fill('eth_blockNumber'))
  })
})

it('a dispute whose reason is no text is read all the same', async () => {
  const blockHash = `0x${'ab'.repeat(32)}`
  const log = {
    address: LEDGER,
    topics: [id('EpochDisputed(uint256,address,uint256,string)'), ONE, `0x${'22'.repeat(20).padStart(64, '0')}`],
    data: AbiCoder.defaultAbiCoder().encode(['uint256', 'bytes'], [5n, '0x6f68ff21']),
    blockNumber: '0x2',
    blockHash,
    transactionHash: `0x${'cd'.repeat(32)}`,
    transactionIndex: '0x0',
    logIndex: '0x3',
    removed: false,
  }
  const block = {
    number: '0x2',
    hash: blockHash,
    parentHash: blockHash,
    timestamp: '0x10',
    nonce: '0x0000000000000000',
    difficulty: '0x0',
    gasLimit: '0x1',
    gasUsed: '0x0',
    miner: LEDGER,
    extraData: '0x',
    transactions: [],
  }
  const rpcUrl = await node(({ method }) => ({ result: method === 'eth_getLogs' ? [log] : block }))
  expect(await openEpochChain({ rpcUrl, chainId: 1, ledger: LEDGER }).disputesIn(0n, 9n)).toEqual([
    {
      epochId: 1,
      block: 2n,
      logIndex: 3,
      txHash: log.transactionHash,
      at: new Date(16_000),
      what: { kind: 'opened', disputer: `0x${'22'.repeat(20)}`, bond: 5n, reason: 'oh\ufffd!' },
    },
  ])
})
