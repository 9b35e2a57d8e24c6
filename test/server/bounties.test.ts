import { pino } from 'pino'
import { parseEther } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { distributorInterface, tokenInterface } from '../../contracts/ledger/client/abi.ts'
import { sessionKey } from '../../contracts/ledger/epoch/leaf.ts'
import { toBounty } from '../../server/rewards/bounties.ts'
import { openBountyChain, printable } from '../../contracts/ledger/client/bounties.ts'
import { createBountyWatch } from '../../server/rewards/bounty-indexer.ts'
import { deploySystem } from '../../scripts/deploy/system.ts'
import type { SignedIn, Refund, SessionBounties } from '../../core/protocol/index.ts'
import type { Address } from '../../contracts/ledger/hex.ts'
import { ZERO_ADDRESS } from '../helpers/hashes.ts'
import { ADMIN, STRANGER, startChain, type TestChain } from '../helpers/chain.ts'
import { sender } from '../helpers/ledger.ts'
import {
  addSample,
  ask,
  call,
  connect,
  guest,
  openWorld,
  request,
  vote,
  type TestServer,
  type World,
} from './attune.ts'

const DEMO = sessionKey('demo')
const PER_CREDIT = parseEther('0.00001')

let world: World
let chain: TestChain
let deployed: Record<'ledger' | 'distributor' | 'token', Address>
let server: TestServer
let ann: SignedIn
beforeAll(async () => {
  ;[world, chain] = await Promise.all([openWorld(), startChain()])
  const { contracts } = await deploySystem({
    rpcUrl: chain.rpcUrl,
    privateKey: ADMIN.privateKey,
    tokenCap: parseEther('1000'),
  })
  if (contracts.token === undefined) throw new Error('no token')
  deployed = {
    ledger: contracts.ledger.address,
    distributor: contracts.distributor.address,
    token: contracts.token.address,
  }
  server = await world.server({
    BLOCKCHAIN_RPC_URL: chain.rpcUrl,
    BLOCKCHAIN_NETWORK_ID: String(chain.chainId),
    CONTRACT_ADDRESS: deployed.ledger,
    DISTRIBUTOR_ADDRESS: deployed.distributor,
    BLOCKCHAIN_POLL_INTERVAL: '100',
  })
  ann = await guest(server, 'Ann')
})
afterAll(async () => {
  await world.close()
  await chain.stop()
})

const pot = () => sender(chain, { address: deployed.distributor, abi: distributorInterface })
const fund = (amount: bigint, perCredit = PER_CREDIT, key = STRANGER.privateKey) =>
  pot().send(key, 'fund', [DEMO, ZERO_ADDRESS, amount, perCredit], amount)
const shown = () => ask<SessionBounties>(server, 'GET', '/api/bounties/demo', { token: ann.token })
/** Waits until what the server shows fits. */
async function until(fits: (now: SessionBounties) => boolean): Promise<SessionBounties> {
  for (let patience = 200; patience > 0; patience--) {
    const now = await shown()
    if (fits(now)) return now
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`not so: ${JSON.stringify(await shown())}`)
}

test('what a sponsor funds, prices and closes on the chain is told to the room, to who comes later, and over REST', async () => {
  const client = await connect(server, ann.token)
  await client.send('join-session', 'demo')
  expect((await client.wait('session-snapshot')).bounties).toEqual([])

  await fund(parseEther('0.5'))
  const { bounties } = await client.wait('bounties-changed')
  expect(bounties).toEqual([
    {
      id: await pot().read('bountyOf', [DEMO, STRANGER.address, ZERO_ADDRESS]),
      sessionId: 'demo',
      sponsor: STRANGER.address.toLowerCase(),
      token: ZERO_ADDRESS,
      symbol: 'ETH',
      decimals: 18,
      funded: String(parseEther('0.5')),
      left: String(parseEther('0.5')),
      perCredit: String(PER_CREDIT),
      state: 'paying',
      closedAt: null,
    },
  ])
  const later = await connect(server, ann.token)
  await later.send('join-session', 'demo')
  expect((await later.wait('session-snapshot')).bounties).toEqual(bounties)

  await pot().send(STRANGER.privateKey, 'setPrice', [bounties[0]!.id, 0n])
  await client.wait('bounties-changed', (now) => now.bounties[0]?.state === 'unpriced')
  await pot().send(STRANGER.privateKey, 'close', [bounties[0]!.id])
  await client.wait('bounties-changed', (now) => now.bounties[0]?.state === 'closed')
  await fund(parseEther('0.5'))
  await client.wait(
    'bounties-changed',
    (now) => now.bounties[0]?.state === 'paying' && now.bounties[0].funded === String(parseEther('1')),
  )
  client.close()
  later.close()
})

test('each sponsor and token has a pot of its own', async () => {
  const token = sender(chain, { address: deployed.token, abi: tokenInterface })
  await token.send(ADMIN.privateKey, 'mint', [ADMIN.address, parseEther('10')])
  await token.send(ADMIN.privateKey, 'approve', [deployed.distributor, parseEther('10')])
  await pot().send(ADMIN.privateKey, 'fund', [DEMO, deployed.token, parseEther('10'), 1n])
  const { bounties } = await until((now) => now.bounties.length === 2)
  expect(bounties.find((one) => one.token === deployed.token)).toMatchObject({
    symbol: 'ATTUNE',
    left: String(parseEther('10')),
    sponsor: ADMIN.address.toLowerCase(),
  })
})

test('votes are paced, and a pot that the waiting votes have spent is empty though nothing is paid out yet', async () => {
  expect((await shown()).votesPerHour).toBe(0)
  for (let n = 0; n < 3; n++)
    await ask(server, 'POST', '/api/feedback', { token: ann.token, body: vote(await addSample(world.pool)) })
  expect((await shown()).votesPerHour).toBe(18)
  // 1 ether pays for 1,000 votes at the first price, for three and a half at this one.
  const native = (await shown()).bounties.find((one) => one.token === ZERO_ADDRESS)
  await pot().send(STRANGER.privateKey, 'setPrice', [native?.id, parseEther('1') / 350n])
  expect((await until((now) => now.bounties.some((one) => one.state === 'empty'))).bounties).toHaveLength(2)
  await fund(parseEther('1'), parseEther('1') / 350n)
  await until((now) => now.bounties.every((one) => one.state === 'paying'))
})

test('a funding that a reorganisation takes back is forgotten', async () => {
  const snapshot = await chain.control.snapshot()
  await fund(parseEther('1'), 1n, '0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a')
  await until((now) => now.bounties.length === 3)
  await chain.control.revert({ id: snapshot })
  await until((now) => now.bounties.length === 2)
})

test('a bounty that no epoch has followed is returned without a proof, two days after it was closed', async () => {
  const [sue, key] = [
    '0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65',
    '0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a',
  ] as const
  const snapshot = await chain.control.snapshot()
  await fund(parseEther('1'), 1n, key)
  const { bounties } = await until((now) => now.bounties.length === 3)
  const id = bounties.find((one) => one.sponsor === sue.toLowerCase())?.id
  await pot().send(key, 'close', [id])
  const data = await ask<Refund>(server, 'GET', `/api/bounties/demo/${id}/refund`, { token: ann.token })
  expect(data).toEqual({ bounty: id, epochId: 0, allocated: '0', proof: [] })
  await chain.control.increaseTime({ seconds: 2 * 86_400 })
  await chain.control.mine({ blocks: 1 })
  const before = await chain.provider.getBalance(sue)
  await pot().send(STRANGER.privateKey, 'refund', [id, BigInt(data.epochId), BigInt(data.allocated), data.proof])
  expect((await chain.provider.getBalance(sue)) - before).toBe(parseEther('1'))
  await chain.control.revert({ id: snapshot })
  await until((now) => now.bounties.length === 2)
})

test('while the chain is away the bounties stay as they were last seen, and a session that is unknown is a 404', async () => {
  const before = (await shown()).bounties
  const away = openBountyChain({
    rpcUrl: 'http://127.0.0.1:9',
    chainId: chain.chainId,
    distributor: deployed.distributor,
    coin: { symbol: 'ETH', decimals: 18 },
  })
  const watch = createBountyWatch({ ...server.deps, log: pino({ level: 'silent' }) }, away, 0n)
  await expect(watch.look()).rejects.toMatchObject({ code: 'unreachable' })
  expect((await shown()).bounties).toEqual(before)
  await request(server, 'GET', '/api/bounties/nowhere', { token: ann.token }).expect(404)
})

test('a token says what it is called; what is none is refused, and so is everything where the chain is away', async () => {
  const look = (address: string) => call(server, 'GET', `/api/blockchain/tokens/${address}`, { token: ann.token })
  expect((await look(deployed.token)).body).toMatchObject({ data: { symbol: 'ATTUNE', decimals: 18 } })
  expect((await look(ZERO_ADDRESS)).body).toMatchObject({ data: { symbol: 'ETH', decimals: 18 } })
  for (const none of [ADMIN.address, deployed.ledger])
    expect(await look(none)).toMatchObject({ status: 400, body: { path: 'address' } })
  const lonely = await world.server({
    BLOCKCHAIN_RPC_URL: 'http://127.0.0.1:9',
    BLOCKCHAIN_NETWORK_ID: '1',
    CONTRACT_ADDRESS: deployed.ledger,
    DISTRIBUTOR_ADDRESS: deployed.distributor,
  })
  await request(lonely, 'GET', `/api/blockchain/tokens/${deployed.token}`, { token: ann.token }).expect(503)
})

test('what was earned from a pot is no longer left in it, and a pot pays for whole votes', () => {
  const row = {
    id: '0x',
    sessionId: 'demo',
    sponsor: '0x',
    token: '0x',
    symbol: 'ETH',
    decimals: 18,
    funded: 1_000n,
    pot: 299n,
    perCredit: 1n,
    closedAt: null,
  } as const
  const [paid, owed] = [row.funded - row.pot, row.funded - 250n]
  expect([0n, paid, owed].map((earned) => toBounty(row, earned, 0n).left)).toEqual(['299', '299', '250'])
  expect([0n, 150n, 151n].map((waiting) => toBounty(row, owed, waiting).state)).toEqual(['paying', 'paying', 'empty'])
  expect(toBounty(row, row.funded, 0n)).toMatchObject({ left: '0', state: 'empty' })
})

test('a token’s symbol is shown as short, visible text', () => {
  expect(printable('USDC')).toBe('USDC')
  expect(printable('ETH\u202e \n<b>')).toBe('ETH<b>')
  expect(printable('\u0000')).toBe('token')
  expect(printable('X'.repeat(40))).toHaveLength(16)
})
