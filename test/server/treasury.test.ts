import { parseEther } from 'ethers'
import { beforeAll, expect, test } from 'vitest'
import { tokenInterface } from '../../contracts/ledger/client/abi.ts'
import { LedgerError } from '../../contracts/ledger/errors.ts'
import { sessionKey } from '../../contracts/ledger/epoch/leaf.ts'
import type { SignedIn, OrderTreasury, SessionBounties, TreasuryOrder } from '../../core/protocol/index.ts'
import { treasuryNext, type TreasurerDeps } from '../../server/rewards/treasury-worker.ts'
import { openTreasurySender, type TreasurySender } from '../../server/rewards/treasury-sender.ts'
import type { Address } from '../../contracts/ledger/hex.ts'
import { accountOf } from '../helpers/accounts.ts'
import { ZERO_ADDRESS } from '../helpers/hashes.ts'
import { ADMIN, STRANGER } from '../helpers/chain.ts'
import { sender } from '../helpers/ledger.ts'
import { adminPassword, ask, call, guest, request, type TestServer } from './attune.ts'
import { linkWallet, untilTrue, usePayingWorld } from './paying.ts'

const KEY = '0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6'
const TREASURY = accountOf(KEY).address.toLowerCase() as Address
const PER_CREDIT = String(parseEther('0.0001'))
const WINDOW_SECONDS = 60
const DAY = 86_400

const paying = usePayingWorld({ disputeWindow: WINDOW_SECONDS })
/** A server whose treasurer has its first turn at the start and the next in ten minutes: the tests take the turns. */
let desk: TestServer
let admin: SignedIn
beforeAll(async () => {
  desk = await paying.world.server({
    ...paying.environment,
    TREASURER_PRIVATE_KEY: KEY,
    BLOCKCHAIN_POLL_INTERVAL: '600000',
  })
  admin = await ask(desk, 'POST', '/api/auth/login', { body: { username: 'admin', password: adminPassword } })
})

const order = (body: OrderTreasury, { token } = admin) =>
  call<{ id: string }>(desk, 'POST', '/api/bounties/demo/treasury', { token, body })
const fund = (amount: string, token: string = ZERO_ADDRESS) =>
  order({ what: 'fund', token, amount: String(parseEther(amount)), perCredit: PER_CREDIT })
const shown = () => ask<SessionBounties>(desk, 'GET', '/api/bounties/demo', { token: admin.token })
const last = async (): Promise<TreasuryOrder> => {
  const [newest] = (await shown()).orders
  if (newest === undefined) throw new Error('nothing was ordered')
  return newest
}
const treasury = (): TreasurySender => {
  const own = desk.deps.chain?.treasury
  if (!own) throw new Error('no treasury')
  return own
}
/** One turn of the treasurer. */
const turn = (more: Partial<TreasurerDeps> = {}) =>
  treasuryNext({ deps: desk.deps, chainId: paying.chain.chainId, sender: treasury(), ...more })
/** Turns until nothing is left to do. */
const turns = async (more: Partial<TreasurerDeps> = {}) => {
  while (await turn(more));
}
const funded = async (token: Address = ZERO_ADDRESS) => {
  const id = await paying.distributor.read<`0x${string}`>('bountyOf', [sessionKey('demo'), TREASURY, token])
  const [, left, , closedAt, total] = await paying.distributor.read<
    readonly [unknown, bigint, unknown, number, bigint]
  >('bounties', [id])
  return { id, left, total, closed: closedAt !== 0 }
}
const seen = (what: string, fits: (now: SessionBounties) => boolean) => untilTrue(what, async () => fits(await shown()))

test('an administrator funds a session by the treasury: the answer waits for no block, and the bounty is the treasury’s', async () => {
  expect(await shown()).toMatchObject({ treasury: TREASURY, orders: [] })
  expect((await fund('2')).status).toBe(201)
  expect(await last()).toMatchObject({ what: 'fund', state: 'waiting', txHash: null, problem: null })
  await turns()
  expect(await last()).toMatchObject({ state: 'done', txHash: expect.stringMatching(/^0x/) })
  expect((await funded()).total).toBe(parseEther('2'))
  await seen('the bounty', ({ bounties }) =>
    bounties.some(({ sponsor, state }) => sponsor === TREASURY && state === 'paying'),
  )
})

test('only an administrator spends the treasury’s money, no more than it holds, and nothing where there is none', async () => {
  const ann = await guest(desk, 'Ann')
  const body = { what: 'fund', token: ZERO_ADDRESS, amount: '1', perCredit: '1' } as const
  expect((await order(body, ann)).status).toBe(403)
  expect(await fund('1000000')).toMatchObject({ status: 409, body: { path: 'amount' } })
  expect(await order({ ...body, token: STRANGER.address })).toMatchObject({ status: 400, body: { path: 'token' } })
  for (const wrong of ['0', String(2n ** 96n)])
    expect(await order({ ...body, perCredit: wrong })).toMatchObject({ status: 400, body: { path: 'perCredit' } })
  expect((await order({ what: 'close', bounty: `0x${'11'.repeat(32)}` })).status).toBe(404)
  await request(paying.server, 'POST', '/api/bounties/demo/treasury', { token: admin.token, body }).expect(503)
  await request(desk, 'POST', '/api/bounties/nowhere/treasury', { token: admin.token, body }).expect(404)
  expect(await turn()).toBe(false)
})

test('funding by a token is an allowance first', async () => {
  const token = sender(paying.chain, { address: paying.contracts.token, abi: tokenInterface })
  await token.send(ADMIN.privateKey, 'mint', [TREASURY, parseEther('10')])
  expect((await fund('4', paying.contracts.token)).status).toBe(201)
  await turns()
  expect((await shown()).orders.slice(0, 2)).toMatchObject([
    { what: 'fund', state: 'done' },
    { what: 'approve', state: 'done' },
  ])
  expect((await funded(paying.contracts.token)).total).toBe(parseEther('4'))
})

test('a treasurer that dies between storing and sending sends it later, and the money leaves once', async () => {
  const before = (await funded()).total
  await fund('1')
  const dying: TreasurySender = {
    ...treasury(),
    send: () => Promise.reject(new LedgerError('unreachable', 'the chain does not answer')),
  }
  await expect(turn({ sender: dying })).rejects.toMatchObject({ code: 'unreachable' })
  expect(await last()).toMatchObject({ state: 'sent' })
  await turn() // it may still come
  expect((await funded()).total).toBe(before)
  await turns({ patienceMs: 0 })
  expect(await last()).toMatchObject({ state: 'done' })
  expect((await funded()).total).toBe(before + parseEther('1'))
})

test('what no block takes is replaced by a dearer transaction of the same nonce, and the money leaves once', async () => {
  const before = (await funded()).total
  await fund('1')
  await paying.chain.control.setAutomine(false)
  await turn()
  const first = (await last()).txHash
  await turn({ patienceMs: 0 })
  expect((await last()).txHash).not.toBe(first)
  await paying.chain.control.mine({ blocks: 1 })
  await paying.chain.control.setAutomine(true)
  await turns({ patienceMs: 0 })
  expect(await last()).toMatchObject({ state: 'done' })
  expect((await funded()).total).toBe(before + parseEther('1'))
})

test('where somebody else has used the account’s nonce, the order fails and says so; it is not made again', async () => {
  const before = (await funded()).total
  await fund('1')
  const dying: TreasurySender = {
    ...treasury(),
    send: () => Promise.reject(new LedgerError('unreachable', 'the chain does not answer')),
  }
  await expect(turn({ sender: dying })).rejects.toMatchObject({ code: 'unreachable' })
  await sender(paying.chain, { address: paying.contracts.token, abi: tokenInterface }).send(KEY, 'approve', [
    STRANGER.address,
    1n,
  ])
  await turns({ patienceMs: 0 })
  expect(await last()).toMatchObject({ state: 'failed', problem: expect.stringContaining('took its place') })
  expect((await funded()).total).toBe(before)
})

test('while gas is dearer than the cap an order waits and says so; what would fail is never sent', async () => {
  const { rpcUrl, chainId } = paying.chain
  await fund('1')
  await turn({ sender: openTreasurySender({ rpcUrl, chainId, privateKey: KEY, maxFeePerGas: 1n }) })
  expect(await last()).toMatchObject({ state: 'waiting', problem: expect.stringContaining('too much for gas') })
  await turns()
  expect(await last()).toMatchObject({ state: 'done', problem: null })

  await paying.ledger.send(ADMIN.privateKey, 'setPaused', [true])
  await fund('1')
  await turns()
  expect(await last()).toMatchObject({
    state: 'failed',
    txHash: null,
    problem: expect.stringContaining('It would fail'),
  })
  await paying.ledger.send(ADMIN.privateKey, 'setPaused', [false])
})

test('what the treasury has funded it prices, closes and takes back', async () => {
  const who = await guest(paying.server, 'Ben')
  await linkWallet(paying.server, who, `0x${'5a'.repeat(32)}`)
  const { id } = await funded()
  const perCredit = 2n * BigInt(PER_CREDIT)
  await order({ what: 'price', bounty: id, perCredit: String(perCredit) })
  await turns()
  await paying.usedVote(who)
  await paying.recorder.closeEpoch()
  await order({ what: 'close', bounty: id })
  await turns()
  expect((await funded()).closed).toBe(true)
  await paying.pass(2 * DAY + WINDOW_SECONDS)
  expect((await order({ what: 'refund', bounty: id })).status).toBe(201)
  await turns()
  expect(await last()).toMatchObject({ what: 'refund', state: 'done' })
  // What the vote has earned.
  expect((await funded()).left).toBe(100n * perCredit)
})
