import { parseEther } from 'ethers'
import { beforeAll, expect, test } from 'vitest'
import { finalAtOf } from '../../contracts/ledger/client/epochs.ts'
import { disputesOf } from '../../server/rewards/epochs.ts'
import type { SignedIn, EpochIndex, LedgerEpoch } from '../../core/protocol/index.ts'
import { ADMIN, STRANGER, timeOf } from '../helpers/chain.ts'
import { ask, guest } from './attune.ts'
import { untilTrue, usePayingWorld } from './paying.ts'

const WINDOW_SECONDS = 600
const BOND = parseEther('0.01')

const paying = usePayingWorld({ disputeWindow: WINDOW_SECONDS, disputeBond: BOND })
let who: SignedIn
beforeAll(async () => {
  who = await guest(paying.server, 'Ann')
})

const index = () => ask<EpochIndex>(paying.server, 'GET', '/api/blockchain/epochs')
const epoch = async (epochId: number): Promise<LedgerEpoch> => {
  const found = (await index()).epochs.find((one) => one.epochId === epochId)
  if (found === undefined) throw new Error(`no epoch ${epochId}`)
  return found
}
const record = async () => {
  await paying.usedVote(who)
  await paying.recorder.closeEpoch()
}
const dispute = (epochId: number, reason: string) =>
  paying.ledger.send(STRANGER.privateKey, 'dispute', [BigInt(epochId), reason], BOND)
const resolve = (epochId: number, upheld: boolean) =>
  paying.ledger.send(ADMIN.privateKey, 'resolve', [BigInt(epochId), upheld])
const seen = (what: string, epochId: number, fits: (epoch: LedgerEpoch) => boolean) =>
  untilTrue(what, async () => fits(await epoch(epochId)))

test('an epoch is open to dispute until its window is over, then final', async () => {
  expect(await index()).toEqual({ bond: String(BOND), epochs: [] })
  await record()
  const { finalAt, ...rest } = await epoch(1)
  expect(rest).toEqual({
    epochId: 1,
    contributions: 1,
    state: 'open',
    txHash: expect.stringMatching(/^0x/),
    recordedAt: expect.any(String),
    rejectedAt: null,
    disputes: [],
  })
  const now = Number(await timeOf(paying.chain))
  expect(Date.parse(finalAt ?? '') / 1_000 - now).toBeGreaterThan(0)
  expect(Date.parse(finalAt ?? '') / 1_000 - now).toBeLessThanOrEqual(WINDOW_SECONDS)
  await paying.pass(WINDOW_SECONDS + 1)
  expect(await epoch(1)).toMatchObject({ state: 'final', finalAt: null })
})

test('a dispute that is dismissed is shown with its reason and what came of it, and gives what it held up a window again', async () => {
  await record()
  const { finalAt } = await epoch(2)
  await dispute(2, 'The \u0007payouts do not add up.')
  await seen('the dispute', 2, ({ disputes }) => disputes.length === 1)
  expect(await epoch(2)).toMatchObject({
    state: 'disputed',
    finalAt: null,
    disputes: [
      {
        disputer: STRANGER.address.toLowerCase(),
        bond: String(BOND),
        reason: 'The  payouts do not add up.',
        decision: null,
      },
    ],
  })
  await paying.pass(WINDOW_SECONDS + 1)
  await resolve(2, false)
  await seen('the decision', 2, ({ disputes }) => disputes[0]?.decision?.outcome === 'dismissed')
  const after = await epoch(2)
  expect(after.state).toBe('open')
  expect(Date.parse(after.finalAt ?? '')).toBeGreaterThan(Date.parse(finalAt ?? ''))
  await paying.pass(WINDOW_SECONDS + 1)
  expect(await epoch(2)).toMatchObject({ state: 'final' })
})

test('an epoch that is taken back stays in the list, with the dispute that did it, beside the one that is recorded in its place', async () => {
  await record()
  await dispute(3, 'A vote is missing.')
  await resolve(3, true)
  await seen('the decision', 3, ({ disputes }) => disputes[0]?.decision?.outcome === 'upheld')
  expect(await epoch(3)).toMatchObject({ state: 'rejected' })
  await paying.recorder.closeEpoch()
  await record()
  const both = (await index()).epochs.filter(({ epochId }) => epochId === 3)
  expect(both).toMatchObject([
    { state: 'open', rejectedAt: null, disputes: [] },
    {
      state: 'rejected',
      rejectedAt: expect.any(String),
      disputes: [{ reason: 'A vote is missing.', decision: { outcome: 'upheld' } }],
    },
  ])
})

test('a dispute that a reorganisation takes back is forgotten', async () => {
  const snapshot = await paying.chain.control.snapshot()
  await dispute(3, 'Gone soon.')
  const shown = async () =>
    (await index()).epochs.flatMap(({ disputes }) => disputes).some(({ reason }) => reason === 'Gone soon.')
  await untilTrue('the dispute is seen', shown)
  await paying.chain.control.revert({ id: snapshot })
  await paying.chain.control.mine({ blocks: 1 })
  await untilTrue('it is forgotten', async () => !(await shown()))
})

test('while the chain is away the epochs and their disputes are shown, and nobody says how they stand', async () => {
  await paying.chain.kill()
  const { bond, epochs } = await index()
  expect(bond).toBeNull()
  expect(epochs.filter(({ rejectedAt }) => rejectedAt === null).map(({ state }) => state)).toEqual(
    Array.from({ length: epochs.length - 1 }, () => null),
  )
  expect(epochs.flatMap(({ disputes }) => disputes)).toHaveLength(2)
})

test('an epoch is final when its window ends, or, held up by a dispute, when a decision lets it be', () => {
  const at = (second: number) => new Date(second * 1_000)
  const standing = { lastEpochId: 9, lastFinalId: 0, bond: 0n, disputedEpochId: null, frozenAt: null, resumesAt: null }
  expect(finalAtOf(at(100), standing)).toEqual(at(100))
  const open = { ...standing, disputedEpochId: 4, frozenAt: at(50) }
  expect(finalAtOf(at(50), open)).toEqual(at(50))
  expect(finalAtOf(at(51), open)).toBeNull()
  const decided = { ...standing, frozenAt: at(50), resumesAt: at(200) }
  expect([50, 100, 300].map((end) => finalAtOf(at(end), decided))).toEqual([at(50), at(200), at(300)])
})

test('of several epochs of one number a dispute is of the one that stood when it was opened', () => {
  const event = { txHash: '0x', at: new Date(0), logIndex: 0 } as const
  const opened = { kind: 'opened', disputer: '0x', bond: 1n, reason: '' } as const
  const all = disputesOf([
    { ...event, block: 1n, epochId: 4, what: opened },
    { ...event, block: 2n, epochId: 4, what: { kind: 'dismissed' } },
    { ...event, block: 3n, epochId: 5, what: opened },
    { ...event, block: 4n, epochId: 5, what: { kind: 'upheld' } },
    { ...event, block: 5n, epochId: 5, what: opened },
  ])
  expect(
    all.map(({ epochId, rejections, dispute }) => [epochId, rejections, dispute.decision?.outcome ?? 'open']),
  ).toEqual([
    [4, 0, 'dismissed'],
    [5, 0, 'upheld'],
    [5, 1, 'open'],
  ])
})
