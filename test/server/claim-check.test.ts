import { AbiCoder, keccak256, parseEther, zeroPadValue } from 'ethers'
import { beforeAll, expect, test } from 'vitest'
import { checkClaim } from '../../client/src/ledger/claim-check.ts'
import { partsOf } from '../../client/src/ledger/earnings.ts'
import type { ChainFacts, Claim, Earning, Earnings } from '../../core/protocol/index.ts'
import type { Hex } from '../../contracts/ledger/hex.ts'
import { accountOf } from '../helpers/accounts.ts'
import { ADMIN, STRANGER } from '../helpers/chain.ts'
import { ask, guest } from './attune.ts'
import { linkWallet, usePayingWorld } from './paying.ts'

const WINDOW_SECONDS = 60
const PER_CREDIT = parseEther('0.0001')
const ETH = { symbol: 'ETH', decimals: 18 }
const KEY: Hex = `0x${'5a'.repeat(32)}`
const me = accountOf(KEY).address.toLowerCase()

const paying = usePayingWorld({ disputeWindow: WINDOW_SECONDS })
let facts: ChainFacts
let claim: Claim
beforeAll(async () => {
  facts = await ask(paying.server, 'GET', '/api/blockchain/contracts')
  await paying.fund(parseEther('1'), PER_CREDIT)
  const who = await guest(paying.server, 'Ann')
  const other = await guest(paying.server, 'Ben')
  await linkWallet(paying.server, who, KEY)
  await linkWallet(paying.server, other, `0x${'5b'.repeat(32)}`)
  await paying.usedVote(who)
  await paying.usedVote(other)
  await paying.recorder.closeEpoch()
  await paying.pass(WINDOW_SECONDS + 1)
  const [earning] = (await ask<Earnings>(paying.server, 'GET', '/api/claims', { token: who.token })).earnings
  if (!earning?.claim) throw new Error('nothing can be claimed')
  claim = earning.claim
})

/** The steps' states, and what was said of the last. */
const check = async (change: Partial<Claim> = {}, account = me, rpcUrl = paying.chain.rpcUrl) => {
  const { valid, steps } = await checkClaim({ ...claim, ...change }, account, facts, ETH, rpcUrl)
  return { valid, steps: steps.map(({ id, state }) => `${id} ${state}`), said: steps.at(-1)?.detail }
}
const holds = ['account pass', 'path pass', 'chain pass', 'root pass', 'paid pass', 'pot pass']

test('a claim is checked by the contracts’ own words, step by step', async () => {
  expect(await check()).toMatchObject({ valid: true, steps: holds })
  // The same through the server, which passes the questions on.
  expect(await check({}, me, `${paying.server.url}/api/blockchain/rpc`)).toMatchObject({ valid: true, steps: holds })
})

test('a claim of another amount, account, bounty, epoch or path does not lead to the recorded root', async () => {
  const broken = ['account pass', 'path pass', 'chain pass', 'root fail']
  expect(await check({ amount: String(BigInt(claim.amount) + 1n) })).toMatchObject({ valid: false, steps: broken })
  expect(await check({ bounty: `0x${'11'.repeat(32)}` })).toMatchObject({ valid: false, steps: broken })
  expect(await check({ proof: claim.proof.slice(1) })).toMatchObject({ valid: false, steps: broken })
  expect(await check({ account: STRANGER.address.toLowerCase() })).toMatchObject({
    valid: false,
    steps: ['account fail', ...broken.slice(1)],
  })
  expect(await check({ epochId: 2 })).toMatchObject({
    valid: false,
    steps: broken,
    said: expect.stringContaining('not final'),
  })
})

test('payments that are paused, a pot that is too small and a claim that was paid are said before anything is sent', async () => {
  await paying.ledger.send(ADMIN.privateKey, 'setPaused', [true])
  expect(await check()).toMatchObject({ valid: false, said: expect.stringContaining('paused') })
  await paying.ledger.send(ADMIN.privateKey, 'setPaused', [false])
  const snapshot = await paying.chain.control.snapshot()
  const slot = await potSlot()
  await paying.chain.control.setStorageAt({
    address: paying.contracts.distributor,
    index: slot.index,
    value: slot.emptied,
  })
  expect(await check()).toMatchObject({ valid: false, steps: [...holds.slice(0, 5), 'pot fail'] })
  await paying.chain.control.revert({ id: snapshot })

  await paying.distributor.send(STRANGER.privateKey, 'claim', [
    BigInt(claim.epochId),
    claim.bounty,
    claim.account,
    BigInt(claim.amount),
    claim.proof,
  ])
  expect(await check()).toMatchObject({ valid: false, steps: [...holds.slice(0, 4), 'paid fail'] })
})

test('where nobody answers, or another chain does, nothing is called valid', async () => {
  expect(await check({}, me, 'http://127.0.0.1:9')).toMatchObject({
    valid: false,
    steps: ['account pass', 'path pass', 'root unknown'],
  })
  const { valid, steps } = await checkClaim(claim, me, { ...facts, chainId: 1 }, ETH, paying.chain.rpcUrl)
  expect({ valid, last: steps.at(-1) }).toMatchObject({ valid: false, last: { id: 'chain', state: 'fail' } })
})

test('what was earned is pending, claimable, waiting for a wallet, or claimed, and the four add up', () => {
  const earning = { earned: '100', final: '70', claimed: '20', claim: { amount: '50' } } as Earning
  expect(partsOf(earning)).toEqual({ pending: 30n, claimable: 30n, waiting: 20n, claimed: 20n })
  expect(partsOf({ ...earning, claim: null })).toEqual({ pending: 30n, claimable: 0n, waiting: 50n, claimed: 20n })
  expect(partsOf({ ...earning, final: null })).toBeNull()
})

/** Where the distributor keeps what the bounty's pot holds, beside its token, and that word with nothing left in it. */
async function potSlot(): Promise<{ index: Hex; emptied: Hex }> {
  const address = paying.contracts.distributor
  const [token] = await paying.distributor.read<[Hex]>('bounties', [claim.bounty])
  for (let mapping = 0n; mapping < 16n; mapping++) {
    const index = keccak256(AbiCoder.defaultAbiCoder().encode(['bytes32', 'uint256'], [claim.bounty, mapping])) as Hex
    if (BigInt(await paying.chain.provider.getStorage(address, index)) > 0n)
      return { index, emptied: zeroPadValue(token, 32) as Hex }
  }
  throw new Error('the bounty lies nowhere in the distributor')
}
