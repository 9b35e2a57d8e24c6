// The rules that a random sequence seldom or never comes upon, each by itself and at once: the ledger’s.
import { describe, expect, it } from 'vitest'
import type { Hex } from '../../contracts/ledger/hex.ts'
import { ZERO_HASH } from '../helpers/hashes.ts'
import { type Contract } from '../helpers/evm.ts'
import { DAY } from './ledger-model.ts'
import { CHAIN, STRANGER, encode, roleId, strange } from './ledger-world.ts'
import {
  BOND,
  NO_ROLE,
  WINDOW,
  admin,
  ann,
  arbiter,
  bob,
  one,
  open,
  recorder,
  sam,
  sue,
  toHash,
  treasurer,
  two,
} from './rules-world.ts'

describe('the ledger', () => {
  it('gives each right to its role alone, and roles by the admin alone, whose own passes on in two steps', async () => {
    const { send, ledger, submit, resolve, evm } = await open()
    for (const who of [STRANGER, admin, treasurer, arbiter]) {
      expect(await submit(1, {}, who)).toBe(NO_ROLE)
      expect(await send(who, ledger, 'recordFeedback', ['s', 'f', 'u', 5n, 5_000n])).toBe(NO_ROLE)
      expect(await send(who, ledger, 'recordContribution', ['s', 'm', 'c', 0, 1n, 1n])).toBe(NO_ROLE)
    }
    for (const who of [STRANGER, admin, treasurer, recorder]) expect(await resolve(1, true, who)).toBe(NO_ROLE)
    for (const who of [STRANGER, admin, arbiter, recorder]) {
      expect(await send(who, ledger, 'setPaused', [true])).toBe(NO_ROLE)
      expect(await send(who, ledger, 'collectForfeitedBonds', [who])).toBe(NO_ROLE)
    }
    for (const who of [STRANGER, treasurer, arbiter, recorder]) {
      expect(await send(who, ledger, 'setDisputeTerms', [1, 1n])).toBe(NO_ROLE)
      expect(await send(who, ledger, 'grantRole', [roleId('RECORDER_ROLE'), who])).toBe(NO_ROLE)
    }
    expect(await send(admin, ledger, 'grantRole', [ZERO_HASH, sue])).toBe('AccessControlEnforcedDefaultAdminRules')
    expect(await send(admin, ledger, 'beginDefaultAdminTransfer', [sue])).toBeNull()
    expect(await send(STRANGER, ledger, 'acceptDefaultAdminTransfer')).toBe('AccessControlInvalidDefaultAdmin')
    evm.clock.now += 1n
    expect(await send(sue, ledger, 'acceptDefaultAdminTransfer')).toBeNull()
    expect(await send(admin, ledger, 'setDisputeTerms', [1, 1n])).toBe(NO_ROLE)
    expect(await send(sue, ledger, 'setDisputeTerms', [1, 1n])).toBeNull()
  })

  it('takes epochs one after the other, whole, and each once', async () => {
    const { submit, evm, ledger } = await open()
    for (const id of [0, 2]) expect(await submit(id)).toBe('EpochOutOfOrder')
    expect(await submit(1, { root: ZERO_HASH })).toBe('EmptyEpoch')
    expect(await submit(1, { count: 0 })).toBe('EmptyEpoch')
    expect(await submit(1, { rejections: 1 })).toBe('EpochOutdated')
    expect(await submit(1)).toBeNull()
    const recorded = await evm.read(ledger, 'epochs', [1n])
    evm.clock.now += 5n
    expect(await submit(1)).toBeNull()
    expect(await evm.read(ledger, 'epochs', [1n])).toEqual(recorded)
    const rewards = toHash('r 1')
    // The root is kept in two places: the last byte is in another than the first.
    for (const other of [`0x00${rewards.slice(4)}`, `${rewards.slice(0, -2)}00`] as Hex[])
      expect(await submit(1, { rewards: other })).toBe('EpochAlreadyRecorded')
    expect(await submit(1, { root: rewards })).toBe('EpochAlreadyRecorded')
    expect(await submit(1, { count: 2 })).toBe('EpochAlreadyRecorded')
    expect(recorded).toMatchObject({
      contributionsRoot: toHash('c 1'),
      rewardsRoot: rewards,
      manifestHash: toHash('m 1').slice(0, 42),
      count: 1,
    })
  })

  it('shows nothing of what a dispute took back, or of what never was', async () => {
    const { submit, dispute, resolve, evm, ledger, status } = await open()
    for (const id of [1, 2]) await submit(id, { root: toHash('leaf') })
    const proven = (id: bigint) => evm.read(ledger, 'verifyContribution', [id, toHash('leaf'), []])
    expect(await proven(2n)).toBe(true)
    await dispute(2)
    expect(await status(2)).toBe(3)
    expect(await resolve(2, true)).toBeNull()
    expect([await status(0), await status(1), await status(2)]).toEqual([0, 1, 0])
    expect(await evm.read(ledger, 'epochs', [2n])).toMatchObject({ contributionsRoot: ZERO_HASH, count: 0 })
    expect(await proven(2n)).toBe(false)
    expect(await dispute(2)).toBe('EpochNotPending')
    expect(await evm.read(ledger, 'verifyContribution', [0n, ZERO_HASH, []])).toBe(false)
    expect(await submit(2)).toBe('EpochOutdated')
    expect(await submit(2, { rejections: 1 })).toBeNull()
  })

  it('hears one dispute at a time, about a pending epoch, for its bond, and says who decided what', async () => {
    const { submit, dispute, resolve, evm } = await open()
    await submit(1)
    for (const id of [0, 2]) expect(await dispute(id)).toBe('EpochNotPending')
    for (const value of [BOND - 1n, BOND + 1n]) expect(await dispute(1, value)).toBe('WrongBond')
    expect(await resolve(1, true)).toBe('NoSuchDispute')
    expect(await resolve(0, true)).toBe('NoSuchDispute')
    expect(await dispute(1)).toBeNull()
    expect(await dispute(1)).toBe('DisputeOpen')
    expect(await resolve(2, true)).toBe('NoSuchDispute')
    expect(await resolve(1, false)).toBeNull()
    expect(await resolve(1, false)).toBe('NoSuchDispute')
    evm.clock.now += WINDOW
    expect(await dispute(1)).toBe('EpochNotPending')
  })

  it('makes nothing final while a dispute is open, nor for a window after it, however many follow; and what was final stays', async () => {
    const { submit, dispute, resolve, evm, lastFinal, status } = await open()
    await submit(1)
    evm.clock.now += WINDOW
    await submit(2)
    expect(await lastFinal()).toBe(1n)
    await dispute(2)
    evm.clock.now += 2n * WINDOW
    expect([await lastFinal(), await status(1)]).toEqual([1n, 2])
    await resolve(2, false)
    evm.clock.now += WINDOW - 1n
    expect(await lastFinal()).toBe(1n)
    // A second dispute, just before that window is over, and what is recorded meanwhile.
    expect(await dispute(2)).toBeNull()
    await submit(3)
    evm.clock.now += 3n * WINDOW
    expect(await lastFinal()).toBe(1n)
    await resolve(2, false)
    expect(await lastFinal()).toBe(1n)
    evm.clock.now += WINDOW
    expect(await lastFinal()).toBe(3n)
  })

  it('lets no shorter window overtake an epoch that is pending, and none be longer than 30 days', async () => {
    const { submit, send, ledger, evm, lastFinal, status } = await open()
    await submit(1)
    expect(await send(admin, ledger, 'setDisputeTerms', [0, BOND])).toBeNull()
    expect(await send(admin, ledger, 'setDisputeTerms', [0, BOND])).toBeNull()
    await submit(2)
    evm.clock.now += WINDOW - 1n
    expect([await status(1), await status(2)]).toEqual([1, 1])
    evm.clock.now += 1n
    expect([await status(1), await status(2)]).toEqual([2, 2])
    expect(await lastFinal()).toBe(2n)
    expect(await send(admin, ledger, 'setDisputeTerms', [Number(30n * DAY) + 1, BOND])).toBe('DisputeWindowTooLong')
    expect(await send(admin, ledger, 'setDisputeTerms', [Number(30n * DAY), BOND])).toBeNull()
  })

  it('returns a bond to its disputer where they were right, once, and to nobody else; where not, to the treasurer', async () => {
    const { submit, dispute, resolve, send, ledger, evm } = await open()
    await submit(1)
    await dispute(1)
    for (const who of [ann, STRANGER]) expect(await send(who, ledger, 'withdrawBonds', [who])).toBe('NothingToPay')
    expect(await send(treasurer, ledger, 'collectForfeitedBonds', [treasurer])).toBe('NothingToPay')
    await resolve(1, true)
    expect(await send(treasurer, ledger, 'collectForfeitedBonds', [treasurer])).toBe('NothingToPay')
    const before = await evm.balance(ann)
    expect(await send(STRANGER, ledger, 'withdrawBonds', [ann])).toBeNull()
    expect(await evm.balance(ann)).toBe(before + BOND)
    expect(await send(STRANGER, ledger, 'withdrawBonds', [ann])).toBe('NothingToPay')
    await submit(1, { rejections: 1 })
    await dispute(1)
    await resolve(1, false)
    expect(await send(ann, ledger, 'withdrawBonds', [ann])).toBe('NothingToPay')
    expect(await send(treasurer, ledger, 'collectForfeitedBonds', [bob])).toBeNull()
    expect(await evm.balance(ledger.address)).toBe(0n)
    expect(await send(treasurer, ledger, 'collectForfeitedBonds', [bob])).toBe('NothingToPay')
  })

  it('pays a bond once also to a disputer that calls back', async () => {
    const { submit, dispute, resolve, send, ledger, evm } = await open()
    const visitor = await evm.deploy(admin, strange('Visitor'))
    await submit(1)
    expect(
      await send(sam, visitor, 'act', [ledger.address, BOND, encode(ledger, 'dispute', [1n, 'wrong'])], BOND),
    ).toBeNull()
    await resolve(1, true)
    // Somebody else's bond, for the thief to find.
    await submit(1, { rejections: 1 })
    expect(await dispute(1)).toBeNull()
    await send(sam, visitor, 'be', [3, ledger.address, encode(ledger, 'withdrawBonds', [visitor.address])])
    expect(await send(STRANGER, ledger, 'withdrawBonds', [visitor.address])).toBeNull()
    expect(await evm.balance(visitor.address)).toBe(BOND)
    expect(await evm.balance(ledger.address)).toBe(BOND)
  })

  it('refuses single records twice or out of their ranges', async () => {
    const { send, ledger } = await open()
    const vote = (id: string, rating: bigint, compassion: bigint) =>
      send(recorder, ledger, 'recordFeedback', ['s', id, 'u', rating, compassion])
    const work = (type: number, quality: bigint) =>
      send(recorder, ledger, 'recordContribution', ['s', 'm', 'c', type, 1n, quality])
    expect([await vote('f', 1n, 0n), await vote('f', 10n, 10_000n), await vote('g', 10n, 10_000n)]).toEqual([
      null,
      'FeedbackAlreadyRecorded',
      null,
    ])
    expect([await vote('h', 0n, 0n), await vote('h', 11n, 0n), await vote('h', 1n, 10_001n)]).toEqual([
      'ScoreOutOfRange',
      'ScoreOutOfRange',
      'ScoreOutOfRange',
    ])
    expect([await work(4, 10_000n), await work(5, 1n), await work(0, 10_001n)]).toEqual([
      null,
      'UnknownContributionType',
      'ScoreOutOfRange',
    ])
  })

  it('binds a leaf to its chain, its ledger, its epoch and every field', async () => {
    const { evm, ledger, world } = await open()
    const fields: readonly unknown[] = [1n, 0n, one, two, 1, 100n, ZERO_HASH]
    const leaf = (where: Pick<typeof evm, 'read'>, of: Contract, values = fields) =>
      where.read<Hex>(of, 'leafOf', values)
    const others = [2n, 1n, two, one, 2, 101n, one]
    const second = world.systems[1]?.ledger ?? ledger
    const leaves = [await leaf(evm, ledger), await leaf(await evm.fork(CHAIN + 1), ledger), await leaf(evm, second)]
    for (const [i, other] of others.entries()) leaves.push(await leaf(evm, ledger, fields.with(i, other)))
    expect(new Set(leaves).size).toBe(leaves.length)
  })
})
