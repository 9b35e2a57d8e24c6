import { parseEther } from 'ethers'
import { beforeAll, expect, test } from 'vitest'
import { LedgerError } from '../../contracts/ledger/errors.ts'
import { openClaimSender, type ClaimSender } from '../../server/rewards/claim-sender.ts'
import { type SignedIn, rewardLimits, type Earning, type Earnings } from '../../core/protocol/index.ts'
import { relayNext, type RelayerDeps } from '../../server/rewards/claim-relayer.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { accountOf, signClaim } from '../helpers/accounts.ts'
import { hashOfText } from '../helpers/hashes.ts'
import { STRANGER, timeOf } from '../helpers/chain.ts'
import { ask, call, guest, type TestServer } from './attune.ts'
import { linkWallet, untilTrue, usePayingWorld } from './paying.ts'

const WINDOW_SECONDS = 60
/** One credit earns this much, wei. A vote that a step has used is 100 credits. */
const PER_CREDIT = parseEther('0.0001')
const VOTE = 100n * PER_CREDIT
const RELAYER = '0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6'

const paying = usePayingWorld({ disputeWindow: WINDOW_SECONDS })
/** A server whose relayer has its first turn at the start and the next in ten minutes: the tests take the turns. */
let desk: TestServer
let bounty: Hex
beforeAll(async () => {
  desk = await paying.world.server({
    ...paying.environment,
    RELAYER_PRIVATE_KEY: RELAYER,
    BLOCKCHAIN_POLL_INTERVAL: '600000',
  })
  bounty = await paying.fund(parseEther('1'), PER_CREDIT)
})

let people = 0
const person = async (linked = true): Promise<{ who: SignedIn; key: Hex; address: Address }> => {
  const who = await guest(paying.server, `Person ${++people}`)
  const key = hashOfText(`person ${people}`)
  if (linked) await linkWallet(paying.server, who, key)
  return { who, key, address: accountOf(key).address.toLowerCase() as Address }
}
const earnings = (who: SignedIn) => ask<Earnings>(paying.server, 'GET', '/api/claims', { token: who.token })
const earning = async (who: SignedIn): Promise<Earning> => {
  const [only] = (await earnings(who)).earnings
  if (only === undefined) throw new Error('nothing was earned')
  return only
}
/** Somebody who has one vote's pay to claim. */
const withClaim = async () => {
  const one = await person()
  await paying.usedVote(one.who)
  await paying.recorder.closeEpoch()
  await paying.pass(WINDOW_SECONDS + 1)
  const { claim } = await earning(one.who)
  if (claim === null) throw new Error('nothing can be claimed')
  return { ...one, claim }
}
const now = async () => Number(await timeOf(paying.chain))

test('what a vote earns is pending until its epoch is final, then claimable, then claimed; and the contract pays it', async () => {
  const { who, address } = await person()
  expect(await earnings(who)).toEqual({
    account: address,
    points: '0',
    held: '0',
    finalAt: null,
    relayer: false,
    earnings: [],
  })
  await paying.usedVote(who)
  await paying.usedVote(who)
  await paying.recorder.closeEpoch()
  const pending = await earnings(who)
  expect(pending).toMatchObject({
    points: '200',
    finalAt: expect.any(String),
    earnings: [
      {
        bounty,
        sessionId: 'demo',
        sessionTitle: 'Teach a small model to be kind and useful',
        symbol: 'ETH',
        decimals: 18,
        earned: String(2n * VOTE),
        final: '0',
        claimed: '0',
        claim: null,
        relayed: null,
      },
    ],
  })
  await paying.pass(WINDOW_SECONDS + 1)
  const claimable = await earning(who)
  expect(claimable).toMatchObject({
    final: String(2n * VOTE),
    claimed: '0',
    claim: { account: address, amount: String(2n * VOTE) },
  })
  expect((await earnings(who)).finalAt).toBeNull()

  const { epochId, amount, proof } = claimable.claim ?? { epochId: 0, amount: '0', proof: [] }
  const args = [BigInt(epochId), bounty, address, BigInt(amount), proof]
  // C3: the proof served is one that the contract takes, whoever sends it.
  await paying.distributor.send(STRANGER.privateKey, 'claim', args)
  expect(await paying.chain.provider.getBalance(address)).toBe(2n * VOTE)
  expect(await earning(who)).toMatchObject({ claimed: String(2n * VOTE), claim: null })
  await expect(paying.distributor.send(STRANGER.privateKey, 'claim', args)).rejects.toThrow('NothingToPay')
})

test('what somebody earned before they linked a wallet waits for it, and is theirs with the next epoch', async () => {
  const { who, key, address } = await person(false)
  await paying.usedVote(who)
  await paying.recorder.closeEpoch()
  await paying.pass(WINDOW_SECONDS + 1)
  expect(await earnings(who)).toMatchObject({
    account: null,
    points: '100',
    earnings: [{ earned: String(VOTE), final: String(VOTE), claimed: '0', claim: null }],
  })
  await linkWallet(paying.server, who, key)
  await paying.usedVote(who)
  await paying.recorder.closeEpoch()
  await paying.pass(WINDOW_SECONDS + 1)
  expect(await earnings(who)).toMatchObject({
    account: address,
    points: '200',
    earnings: [{ earned: String(2n * VOTE), claim: { account: address, amount: String(2n * VOTE) } }],
  })
})

// ---------------------------------------------------------------- relayed

type Claimable = Awaited<ReturnType<typeof withClaim>>
interface Wish {
  recipient?: Address
  deadline?: number
  amount?: bigint
  signer?: Hex
}
/** A claim as its account signs it. */
const signed = async (
  { key, address, claim }: Claimable,
  { recipient = address, amount = BigInt(claim.amount), signer = key, ...wish }: Wish = {},
) => {
  const deadline = wish.deadline ?? (await now()) + 600
  const at = { chainId: paying.chain.chainId, distributor: paying.contracts.distributor }
  const message = { bounty, account: address, amount, recipient, deadline: BigInt(deadline) }
  const signature = await signClaim(accountOf(signer), at, message)
  return { bounty, amount: String(amount), recipient, deadline, signature }
}
const relay = ({ who }: { who: SignedIn }, body: object, at = desk) =>
  call<{ id: string }>(at, 'POST', '/api/claims/relay', { token: who.token, body })
const relayed = async ({ who }: { who: SignedIn }) => (await earning(who)).relayed
const balance = (address: Address) => paying.chain.provider.getBalance(address)
/** One turn of the relayer. */
const turn = (more: Partial<RelayerDeps> = {}) => {
  const { bounties, relayer: sender } = desk.deps.chain ?? {}
  if (!bounties || !sender) throw new Error('no relayer')
  return relayNext({ deps: desk.deps, bounties, sender, ...more })
}
/** Turns until nothing is left to do. */
const turns = async (more: Partial<RelayerDeps> = {}) => {
  while (await turn(more));
}

test('a signed claim is sent and paid for by the relayer, to whom its account says; the account needs no coin', async () => {
  const [one, other] = [await withClaim(), await withClaim()]
  const recipient = accountOf(hashOfText('a recipient')).address.toLowerCase() as Address
  expect((await relay(one, await signed(one))).status).toBe(201)
  expect((await relay(other, await signed(other, { recipient }))).status).toBe(201)
  expect(await relayed(one)).toMatchObject({ state: 'waiting', amount: String(VOTE), txHash: null })
  await turns()
  expect(await relayed(one)).toMatchObject({
    state: 'done',
    recipient: one.address,
    txHash: expect.stringMatching(/^0x/),
    problem: null,
  })
  expect([await balance(one.address), await balance(other.address), await balance(recipient)]).toEqual([VOTE, 0n, VOTE])
  expect(await earning(other.who)).toMatchObject({ claimed: String(VOTE), claim: null })
  expect((await relay(one, await signed(one))).status).toBe(409)
})

test('the relayer takes nothing that it could not send', async () => {
  const one = await withClaim()
  const wishes: [Wish, number, string][] = [
    [{ signer: STRANGER.privateKey }, 400, 'signature'],
    [{ amount: VOTE + 1n }, 409, 'amount'],
    [{ deadline: Math.floor(Date.now() / 1_000) + 30 }, 400, 'deadline'],
    [{ deadline: (await now()) + 2 * 86_400 }, 400, 'deadline'],
  ]
  for (const [wish, status, path] of wishes)
    expect(await relay(one, await signed(one, wish)), path).toMatchObject({ status, body: { path } })
  const given = await signed(one)
  expect(await relay(one, { ...given, recipient: STRANGER.address })).toMatchObject({
    status: 400,
    body: { path: 'signature' },
  })
  expect((await relay(await person(false), given)).status).toBe(409)
  expect((await relay(await person(), given)).status).toBe(409)
  expect(await relay(one, given, paying.server)).toMatchObject({
    status: 503,
    body: { message: expect.stringContaining('your own wallet') },
  })
  expect(await turn()).toBe(false)
})

test(`one claim of a bounty is under way at a time, and ${rewardLimits.relayedPerDay} a day of one person`, async () => {
  const one = await withClaim()
  expect((await relay(one, await signed(one))).status).toBe(201)
  expect((await relay(one, await signed(one))).status).toBe(409)
  await turns()
  await paying.usedVote(one.who)
  await paying.recorder.closeEpoch()
  await paying.pass(WINDOW_SECONDS + 1)
  const next = { ...one, claim: (await earning(one.who)).claim ?? one.claim }
  await paying.world.pool.query(
    `insert into relayed_claims (id, user_id, chain_id, distributor, bounty, account, amount, epoch_id, proof, recipient, deadline, signature, state)
     select gen_random_uuid(), user_id, chain_id, distributor, bounty, account, amount, epoch_id, proof, recipient, deadline, signature, 'failed'
     from relayed_claims, generate_series(2, $2) where user_id = $1`,
    [one.who.user.userId, rewardLimits.relayedPerDay],
  )
  expect(await relay(next, await signed(next))).toMatchObject({ status: 429, body: { error: 'too-frequent' } })
})

test('while gas is dearer than the cap a claim waits and says so, and is sent once it is not', async () => {
  const one = await withClaim()
  await relay(one, await signed(one))
  const { chainId } = paying.chain
  const thrifty = openClaimSender({
    rpcUrl: paying.chain.rpcUrl,
    chainId,
    distributor: paying.contracts.distributor,
    privateKey: RELAYER,
    maxFeePerGas: 1n,
  })
  expect(await turn({ sender: thrifty })).toBe(true)
  expect(await relayed(one)).toMatchObject({ state: 'waiting', problem: expect.stringContaining('too much for gas') })
  await turns()
  expect(await relayed(one)).toMatchObject({ state: 'done', problem: null })
})

test('a relayer that dies between signing and sending sends it later, and the claim is paid once', async () => {
  const one = await withClaim()
  await relay(one, await signed(one))
  const real = desk.deps.chain?.relayer
  if (!real) throw new Error('no relayer')
  const dying: ClaimSender = {
    ...real,
    send: () => Promise.reject(new LedgerError('unreachable', 'the chain does not answer')),
  }
  await expect(turn({ sender: dying })).rejects.toMatchObject({ code: 'unreachable' })
  expect(await relayed(one)).toMatchObject({ state: 'sent' })
  await turn() // it is in no block yet, and may still come
  expect(await balance(one.address)).toBe(0n)
  await turns({ patienceMs: 0 })
  expect(await relayed(one)).toMatchObject({ state: 'done' })
  expect(await balance(one.address)).toBe(VOTE)
})

test('a transaction that no block takes is replaced by a dearer one, and nothing is paid twice', async () => {
  const one = await withClaim()
  await relay(one, await signed(one))
  await paying.chain.control.setAutomine(false)
  await turn()
  const first = (await relayed(one))?.txHash
  await turn({ patienceMs: 0 })
  const second = (await relayed(one))?.txHash
  expect(second).not.toBe(first)
  await paying.chain.control.mine({ blocks: 1 })
  await paying.chain.control.setAutomine(true)
  await turns()
  expect(await relayed(one)).toMatchObject({ state: 'done', txHash: second })
  expect(await balance(one.address)).toBe(VOTE)
})

test('a claim whose deadline has passed, or that somebody else has sent, is settled without another transaction', async () => {
  const [late, sent] = [await withClaim(), await withClaim()]
  await relay(late, await signed(late))
  await turn({ now: () => Date.now() + 10 * 86_400_000 })
  expect(await relayed(late)).toMatchObject({
    state: 'failed',
    problem: expect.stringContaining('deadline'),
    txHash: null,
  })
  await relay(sent, await signed(sent))
  await paying.distributor.send(STRANGER.privateKey, 'claim', [
    BigInt(sent.claim.epochId),
    bounty,
    sent.address,
    BigInt(sent.claim.amount),
    sent.claim.proof,
  ])
  await turns()
  expect(await relayed(sent)).toMatchObject({ state: 'done', txHash: null })
})

test('of two servers one relays at a time; a server relays by itself', async () => {
  const one = await withClaim()
  await relay(one, await signed(one))
  const another = await paying.world.pool.connect()
  await another.query(`select pg_advisory_lock(hashtext('attune:relayer'))`)
  expect(await turn()).toBe(false)
  await another.query(`select pg_advisory_unlock(hashtext('attune:relayer'))`)
  another.release()
  await paying.world.server({ ...paying.environment, RELAYER_PRIVATE_KEY: RELAYER })
  await untilTrue('the claim is settled', async () => (await relayed(one))?.state === 'done')
})

test('while the chain is away what was earned is shown, and nothing can be claimed', async () => {
  const one = await withClaim()
  await paying.chain.kill()
  expect(await earning(one.who)).toMatchObject({ earned: String(VOTE), final: null, claimed: null, claim: null })
  expect((await relay(one, await signed({ ...one }, { deadline: Math.floor(Date.now() / 1_000) + 600 }))).status).toBe(
    503,
  )
  await expect(turn()).resolves.toBe(false)
})
