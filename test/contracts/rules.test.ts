// The rules that a random sequence seldom or never comes upon, each by itself and at once.
import { type Address, type Hex, encodeFunctionData, keccak256, maxUint96, toHex, zeroAddress, zeroHash } from 'viem'
import { describe, expect, it } from 'vitest'
import { artifact } from '../../contracts/compile.ts'
import { allocationLeaf } from '../../contracts/leaf.ts'
import type { Contract } from '../helpers/evm.ts'
import { DAY } from './ledger-model.ts'
import { ACCOUNTS, CHAIN, type Owed, SESSIONS, SPONSORS, STAFF, STRANGER, deployWorld, encode, openLedgerWorld, potId, propose, roleId, strange } from './ledger-world.ts'

const deployed = deployWorld()
const [ann, bob] = ACCOUNTS as [Address, Address]
const [sam, sue] = SPONSORS as [Address, Address]
const [one, two] = SESSIONS as [Hex, Hex]
const { admin, RECORDER_ROLE: recorder, ARBITER_ROLE: arbiter, TREASURER_ROLE: treasurer } = STAFF
const NO_ROLE = 'AccessControlUnauthorizedAccount'
const WINDOW = 3_600n
const BOND = 1_000n

/** The first ledger and distributor of a new world, and short words for what is done to them. */
async function open() {
  const world = await openLedgerWorld(await deployed)
  const { evm, systems, tokenContracts } = world
  const [system] = systems
  const home = system?.distributors[0]
  const [plain] = tokenContracts
  if (system === undefined || home === undefined || plain === undefined) throw new Error('an empty world')
  const { ledger } = system
  const distributor = home.contract
  const send = async (from: Address, to: Contract, name: string, args: readonly unknown[] = [], value = 0n) => (await evm.send({ from, to, name, args, value })).error
  const pot = potId(distributor, one, sam, zeroAddress)
  let lastEpoch = 0
  return {
    world, evm, system, ledger, distributor, plain, send, pot,
    fund: (amount: bigint, token: Address = zeroAddress, from = sam) => send(from, distributor, 'fund', [one, token, amount, 1n], token === zeroAddress ? amount : 0n),
    /** Records who is owed what, makes it final, and gives the arguments of the claims. */
    async owe(owed: Owed[], wait = WINDOW) {
      const proposal = propose(system, ++lastEpoch, owed, [...new Set(owed.map((each) => each.pot))])
      const error = await send(recorder, ledger, 'submitEpoch', [BigInt(proposal.id), ...proposal.content, 0])
      if (error !== null) throw new Error(`the epoch was refused: ${error}`)
      evm.clock.now += wait
      return owed.map((each, i) => [BigInt(proposal.id), each.pot, each.account, each.amount, proposal.tree.getProof(i)] as const)
    },
    submit: (id: number, over: { root?: Hex; rewards?: Hex; count?: number; rejections?: number } = {}, from = recorder) =>
      send(from, ledger, 'submitEpoch', [BigInt(id), over.root ?? toHash(`c ${id}`), over.rewards ?? toHash(`r ${id}`), toHash(`m ${id}`), over.count ?? 1, over.rejections ?? 0]),
    dispute: (id: number, value = BOND, from: Address = ann) => send(from, ledger, 'dispute', [BigInt(id), 'wrong'], value),
    resolve: (id: number, upheld: boolean, from: Address = arbiter) => send(from, ledger, 'resolve', [BigInt(id), upheld]),
    status: (id: number) => evm.read<number>(ledger, 'epochStatus', [BigInt(id)]),
    lastFinal: () => evm.read<bigint>(ledger, 'lastFinalEpochId'),
  }
}
const toHash = (text: string): Hex => keccak256(toHex(text))
const call = (functionName: string, args: readonly unknown[]): Hex => encodeFunctionData({ abi: artifact('RewardDistributor').abi, functionName, args })

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
    expect(await send(admin, ledger, 'grantRole', [zeroHash, sue])).toBe('AccessControlEnforcedDefaultAdminRules')
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
    expect(await submit(1, { root: zeroHash })).toBe('EmptyEpoch')
    expect(await submit(1, { count: 0 })).toBe('EmptyEpoch')
    expect(await submit(1, { rejections: 1 })).toBe('EpochOutdated')
    expect(await submit(1)).toBeNull()
    const recorded = await evm.read(ledger, 'epochs', [1n])
    evm.clock.now += 5n
    expect(await submit(1)).toBeNull()
    expect(await evm.read(ledger, 'epochs', [1n])).toEqual(recorded)
    const rewards = toHash('r 1')
    // The root is kept in two places: the last byte is in another than the first.
    for (const other of [`0x00${rewards.slice(4)}`, `${rewards.slice(0, -2)}00`] as Hex[]) expect(await submit(1, { rewards: other })).toBe('EpochAlreadyRecorded')
    expect(await submit(1, { root: rewards })).toBe('EpochAlreadyRecorded')
    expect(await submit(1, { count: 2 })).toBe('EpochAlreadyRecorded')
    expect(recorded).toMatchObject({ contributionsRoot: toHash('c 1'), rewardsRoot: rewards, manifestHash: toHash('m 1').slice(0, 42), count: 1 })
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
    expect(await evm.read(ledger, 'epochs', [2n])).toMatchObject({ contributionsRoot: zeroHash, count: 0 })
    expect(await proven(2n)).toBe(false)
    expect(await dispute(2)).toBe('EpochNotPending')
    expect(await evm.read(ledger, 'verifyContribution', [0n, zeroHash, []])).toBe(false)
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
    expect(await send(sam, visitor, 'act', [ledger.address, BOND, encode(ledger, 'dispute', [1n, 'wrong'])], BOND)).toBeNull()
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
    const vote = (id: string, rating: bigint, compassion: bigint) => send(recorder, ledger, 'recordFeedback', ['s', id, 'u', rating, compassion])
    const work = (type: number, quality: bigint) => send(recorder, ledger, 'recordContribution', ['s', 'm', 'c', type, 1n, quality])
    expect([await vote('f', 1n, 0n), await vote('f', 10n, 10_000n), await vote('g', 10n, 10_000n)]).toEqual([null, 'FeedbackAlreadyRecorded', null])
    expect([await vote('h', 0n, 0n), await vote('h', 11n, 0n), await vote('h', 1n, 10_001n)]).toEqual(['ScoreOutOfRange', 'ScoreOutOfRange', 'ScoreOutOfRange'])
    expect([await work(4, 10_000n), await work(5, 1n), await work(0, 10_001n)]).toEqual([null, 'UnknownContributionType', 'ScoreOutOfRange'])
  })

  it('binds a leaf to its chain, its ledger, its epoch and every field', async () => {
    const { evm, ledger, world } = await open()
    const fields: readonly unknown[] = [1n, 0n, one, two, 1, 100n, zeroHash]
    const leaf = (where: Pick<typeof evm, 'read'>, of: Contract, values = fields) => where.read<Hex>(of, 'leafOf', values)
    const others = [2n, 1n, two, one, 2, 101n, one]
    const second = world.systems[1]?.ledger ?? ledger
    const leaves = [await leaf(evm, ledger), await leaf(await evm.fork(CHAIN + 1), ledger), await leaf(evm, second)]
    for (const [i, other] of others.entries()) leaves.push(await leaf(evm, ledger, fields.with(i, other)))
    expect(new Set(leaves).size).toBe(leaves.length)
  })
})

describe('the distributor', () => {
  it('takes what it is told of the coin, what arrives of a token, and nothing else', async () => {
    const { fund, send, distributor, evm, world, pot, plain } = await open()
    expect(await fund(0n)).toBe('NothingFunded')
    expect(await send(sam, distributor, 'fund', [one, zeroAddress, 5n, 1n], 4n)).toBe('WrongValue')
    expect(await send(sam, distributor, 'fund', [one, plain.address, 5n, 1n], 5n)).toBe('WrongValue')
    expect(await fund(5n)).toBeNull()
    const [, feeing] = world.tokenContracts
    if (feeing === undefined) throw new Error('no such token')
    expect(await fund(1_000n, feeing.address)).toBeNull()
    const left = async (id: Hex) => (await evm.read<unknown[]>(distributor, 'bounties', [id]))[1]
    expect(await left(potId(distributor, one, sam, feeing.address))).toBe(975n)
    expect(await left(pot)).toBe(5n)
    // A bounty is of 96 bits: what does not fit is refused, not cut.
    expect(await send(sam, plain, 'mint', [sam, 2n * maxUint96])).toBeNull()
    expect(await fund(maxUint96 + 6n, plain.address)).toBe('SafeCastOverflowedUintDowncast')
    expect(await fund(5n, STRANGER)).not.toBeNull()
  })

  it('gives each sponsor, session, token, contract and chain a pot of its own', async () => {
    const { evm, distributor, world, plain, pot } = await open()
    const other = world.systems[0]?.distributors[1]?.contract ?? distributor
    const id = (where: Pick<typeof evm, 'read'>, of: Contract, ...args: unknown[]) => where.read<Hex>(of, 'bountyOf', args)
    const ids = [
      await id(evm, distributor, one, sam, zeroAddress), await id(evm, distributor, two, sam, zeroAddress), await id(evm, distributor, one, sue, zeroAddress),
      await id(evm, distributor, one, sam, plain.address), await id(evm, other, one, sam, zeroAddress), await id(await evm.fork(CHAIN + 1), distributor, one, sam, zeroAddress),
    ]
    expect(ids[0]).toBe(pot)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('lets nobody but its sponsor price or close a bounty, and a second closing changes nothing', async () => {
    const { fund, send, distributor, pot, evm } = await open()
    for (const name of ['close', 'setPrice']) {
      const args = name === 'close' ? [pot] : [pot, 2n]
      expect(await send(sam, distributor, name, args)).toBe('UnknownBounty')
    }
    await fund(5n)
    expect(await send(sue, distributor, 'close', [pot])).toBe('NotSponsor')
    expect(await send(sue, distributor, 'setPrice', [pot, 2n])).toBe('NotSponsor')
    const closedAt = async () => (await evm.read<unknown[]>(distributor, 'bounties', [pot]))[3]
    await send(sam, distributor, 'close', [pot])
    const first = await closedAt()
    evm.clock.now += DAY
    await send(sam, distributor, 'close', [pot])
    expect(await closedAt()).toBe(first)
    await fund(5n)
    expect(await closedAt()).toBe(0)
  })

  it('while the ledger is paused moves no money in any way', async () => {
    const { fund, owe, send, distributor, ledger, pot, evm } = await open()
    await fund(100n)
    const [claim] = await owe([{ pot, account: ann, amount: 10n }])
    await send(sam, distributor, 'close', [pot])
    const other = potId(distributor, one, sue, zeroAddress)
    await fund(7n, zeroAddress, sue)
    await send(sue, distributor, 'close', [other])
    evm.clock.now += 400n * DAY
    await send(treasurer, ledger, 'setPaused', [true])
    expect(await fund(5n)).toBe('PaymentsPaused')
    expect(await send(ann, distributor, 'claim', claim)).toBe('PaymentsPaused')
    expect(await send(STRANGER, distributor, 'expire', [pot])).toBe('PaymentsPaused')
    expect(await send(STRANGER, distributor, 'refund', [other, 1n, 0n, []])).toBe('PaymentsPaused')
    await send(treasurer, ledger, 'setPaused', [false])
    expect(await send(ann, distributor, 'claim', claim)).toBeNull()
    expect(await send(STRANGER, distributor, 'refund', [other, 1n, 0n, []])).toBeNull()
  })

  it('pays by a proof of just this epoch, pot, account and amount, once, from just this pot', async () => {
    const { fund, owe, send, distributor, pot, evm, world } = await open()
    await fund(100n)
    await fund(900n, zeroAddress, sue)
    const [mine, tooMuch] = await owe([{ pot, account: ann, amount: 60n }, { pot, account: bob, amount: 41n }], 0n)
    if (mine === undefined || tooMuch === undefined) throw new Error('no claims')
    expect(await send(ann, distributor, 'claim', mine)).toBe('EpochNotFinal')
    evm.clock.now += WINDOW
    const [epoch, id, account, amount, proof] = mine
    const others = [[2n, id, account, amount, proof], [0n, id, account, amount, proof]] as const
    for (const args of others) expect(await send(ann, distributor, 'claim', args)).toBe('EpochNotFinal')
    for (const args of [
      [epoch, potId(distributor, one, sue, zeroAddress), account, amount, proof], [epoch, id, bob, amount, proof],
      [epoch, id, account, amount + 1n, proof], [epoch, id, account, amount, proof.slice(1)], [epoch, id, account, amount, []],
    ]) expect(await send(ann, distributor, 'claim', args)).toBe('InvalidProof')
    const sibling = world.systems[0]?.distributors[1]?.contract ?? distributor
    expect(await send(ann, sibling, 'claim', mine)).toBe('PotTooSmall')
    const elsewhere = await evm.fork(CHAIN + 1)
    expect((await elsewhere.send({ from: ann, to: distributor, name: 'claim', args: mine })).error).toBe('InvalidProof')
    expect(await send(ann, distributor, 'claim', mine)).toBeNull()
    expect(await send(ann, distributor, 'claim', mine)).toBe('NothingToPay')
    expect(await send(bob, distributor, 'claim', tooMuch)).toBe('PotTooSmall')
    const [more] = await owe([{ pot, account: ann, amount: 61n }])
    const before = await evm.balance(ann)
    expect(await send(bob, distributor, 'claim', more)).toBeNull()
    expect(await evm.balance(ann)).toBe(before + 1n)
  })

  it('takes the leaf of another ledger, chain or epoch for none of its own', async () => {
    const { fund, send, distributor, ledger, pot, system, evm } = await open()
    await fund(100n)
    const at = { chainId: CHAIN, ledger: ledger.address }
    const leaves = [
      allocationLeaf({ ...at, chainId: CHAIN + 1 }, 1, pot, 0n), allocationLeaf({ ...at, ledger: STRANGER }, 1, pot, 0n), allocationLeaf(at, 2, pot, 0n),
      propose({ ...system, ledger: { ...ledger, address: STRANGER } }, 1, [{ pot, account: ann, amount: 1n }], []).leaves[0] ?? zeroHash,
      propose(system, 2, [{ pot, account: ann, amount: 1n }], []).leaves[0] ?? zeroHash,
    ]
    await send(sam, distributor, 'close', [pot])
    // A tree of one leaf: its root is the leaf, its proof is empty.
    for (const leaf of leaves) {
      const there = await evm.fork(CHAIN)
      expect((await there.send({ from: recorder, to: ledger, name: 'submitEpoch', args: [1n, leaf, leaf, leaf, 1, 0] })).error).toBeNull()
      there.clock.now += 2n * DAY
      expect((await there.send({ from: ann, to: distributor, name: 'claim', args: [1n, pot, ann, 1n, []] })).error).toBe('InvalidProof')
      expect((await there.send({ from: sam, to: distributor, name: 'refund', args: [pot, 1n, 0n, []] })).error).toBe('InvalidProof')
    }
  })

  it('pays to another only for the account itself, or for its signature, in time', async () => {
    const { fund, owe, send, distributor, pot, evm } = await open()
    const wallet = await evm.deploy(admin, strange('Visitor'))
    await fund(100n)
    const [claim] = await owe([{ pot, account: wallet.address, amount: 10n }])
    if (claim === undefined) throw new Error('no claim')
    const [epochId, bounty, account, amount, proof] = claim
    const said = (deadline: bigint, signature: string) => [{ epochId, bounty, account, amount, proof }, sue, deadline, toHex(signature)]
    const now = evm.clock.now
    expect(await send(STRANGER, distributor, 'claimTo', said(now, 'no'))).toBe('InvalidSignature')
    expect(await send(STRANGER, distributor, 'claimTo', said(now - 1n, 'yes'))).toBe('SignatureExpired')
    const before = await evm.balance(sue)
    // ERC-1271: the account is a contract.
    expect(await send(STRANGER, distributor, 'claimTo', said(now, 'yes'))).toBeNull()
    expect(await evm.balance(sue)).toBe(before + 10n)
    expect(await send(STRANGER, distributor, 'claimTo', said(now, 'yes'))).toBe('NothingToPay')
  })

  it('pays once also an account that calls back, and nobody less because an account refuses or burns its gas', async () => {
    const { fund, owe, send, distributor, pot, evm } = await open()
    await fund(1_000n)
    const [eager, refusing, burning] = [await evm.deploy(admin, strange('Visitor')), await evm.deploy(admin, strange('Visitor')), await evm.deploy(admin, strange('Visitor'))]
    const claims = await owe([eager, refusing, burning].map(({ address }) => ({ pot, account: address, amount: 100n })))
    const [first, second, third] = claims
    if (first === undefined || second === undefined || third === undefined) throw new Error('no claims')
    await send(sam, eager, 'be', [3, distributor.address, call('claim', first)])
    expect(await send(STRANGER, distributor, 'claim', first)).toBeNull()
    expect(await evm.balance(eager.address)).toBe(100n)
    await send(sam, refusing, 'be', [1, zeroAddress, '0x'])
    expect(await send(STRANGER, distributor, 'claim', second)).toBe('FailedCall')
    await send(sam, burning, 'be', [2, zeroAddress, '0x'])
    expect(await send(STRANGER, distributor, 'claim', third)).not.toBeNull()
    const [, left] = await evm.read<[Address, bigint]>(distributor, 'bounties', [pot])
    expect(left).toBe(900n)
    expect(await evm.balance(distributor.address)).toBe(900n)
  })

  it('counts no token twice that arrives while another transfer is under way, nor pays twice while one is', async () => {
    const { fund, owe, send, distributor, plain, evm } = await open()
    await fund(1_000n, plain.address)
    const nested = call('fund', [two, plain.address, 100n, 1n])
    expect(await send(sam, plain, 'mint', [plain.address, 1_000n])).toBeNull()
    expect(await send(sam, plain, 'callBack', [distributor.address, nested])).toBeNull()
    expect(await fund(500n, plain.address)).toBe('ReentrancyGuardReentrantCall')
    expect(await send(sam, plain, 'callBack', [zeroAddress, '0x'])).toBeNull()
    const pot = potId(distributor, one, sam, plain.address)
    const [claim] = await owe([{ pot, account: ann, amount: 10n }])
    if (claim === undefined) throw new Error('no claim')
    await send(sam, plain, 'callBack', [distributor.address, call('claim', claim)])
    expect(await send(STRANGER, distributor, 'claim', claim)).toBe('NothingToPay')
    await send(sam, plain, 'callBack', [zeroAddress, '0x'])
    expect(await send(STRANGER, distributor, 'claim', claim)).toBeNull()
    expect(await evm.read(plain, 'balanceOf', [distributor.address])).toBe(990n)
  })

  it('pays in a token that answers nothing, and fails where a token does', async () => {
    const { fund, owe, send, distributor, world, evm } = await open()
    const silent = world.tokenContracts[2]
    if (silent === undefined) throw new Error('no such token')
    expect(await fund(1_000n, silent.address)).toBeNull()
    const pot = potId(distributor, one, sam, silent.address)
    const [claim] = await owe([{ pot, account: ann, amount: 10n }])
    expect(await send(STRANGER, distributor, 'claim', claim)).toBeNull()
    expect(await evm.read(silent, 'balanceOf', [ann])).toBe(10n)
    const [next] = await owe([{ pot, account: ann, amount: 20n }])
    // It calls somebody who refuses.
    await send(sam, silent, 'callBack', [distributor.address, call('expire', [pot])])
    expect(await send(STRANGER, distributor, 'claim', next)).toBe('BountyNotClosed')
    expect(await evm.read(distributor, 'claimed', [pot, ann])).toBe(10n)
  })

  it('takes no coin but by funding, and owes nothing of what is forced upon it', async () => {
    const { fund, evm, distributor, ledger, pot, send } = await open()
    await fund(5n)
    const visitor = await evm.deploy(admin, strange('Visitor'))
    for (const { address } of [distributor, ledger]) expect(await send(sam, visitor, 'act', [address, 1n, '0x'], 1n)).not.toBeNull()
    await evm.give(distributor.address, 1_000n)
    await send(sam, distributor, 'close', [pot])
    evm.clock.now += 366n * DAY
    const before = await evm.balance(sam)
    expect(await send(STRANGER, distributor, 'expire', [pot])).toBeNull()
    expect(await evm.balance(sam)).toBe(before + 5n)
    expect(await send(STRANGER, distributor, 'expire', [pot])).toBe('NothingToPay')
  })
})

describe('a refund', () => {
  const closeAndWait = async ({ send, distributor, pot, evm }: Awaited<ReturnType<typeof open>>, wait = 2n * DAY) => {
    expect(await send(sam, distributor, 'close', [pot])).toBeNull()
    evm.clock.now += wait
  }
  const allocation = (world: Awaited<ReturnType<typeof open>>, id: number, owed: Owed[]) => {
    const { tree, allocated } = propose(world.system, id, owed, [world.pot])
    return [world.pot, BigInt(id), allocated.get(world.pot) ?? 0n, tree.getProof(owed.length)] as const
  }

  it('of a bounty that no epoch has followed needs no proof, two days after it was closed', async () => {
    const world = await open()
    const { fund, send, distributor, pot, evm, submit } = world
    await submit(1)
    evm.clock.now += DAY
    await fund(100n)
    expect(await send(STRANGER, distributor, 'refund', [pot, 1n, 0n, []])).toBe('BountyNotClosed')
    await closeAndWait(world, 2n * DAY - 1n)
    expect(await send(STRANGER, distributor, 'refund', [pot, 1n, 0n, []])).toBe('TooEarly')
    evm.clock.now += 1n
    // Nor by an epoch that is not the last, or not there.
    for (const id of [0n, 2n, 7n]) expect(await send(STRANGER, distributor, 'refund', [pot, id, 0n, []])).not.toBeNull()
    expect(await send(STRANGER, distributor, 'refund', [pot, 1n, 1n, []])).toBe('InvalidProof')
    const before = await evm.balance(sam)
    expect(await send(STRANGER, distributor, 'refund', [pot, 1n, 0n, []])).toBeNull()
    expect(await evm.balance(sam)).toBe(before + 100n)
  })

  it('of a bounty in which nobody earned goes by the epoch that says so, once one came', async () => {
    const world = await open()
    const { fund, send, distributor, pot, evm, system, submit, ledger } = world
    await fund(100n)
    const { tree, allocated, content } = propose(system, 1, [], [pot])
    await send(recorder, ledger, 'submitEpoch', [1n, ...content, 0])
    await closeAndWait(world)
    await submit(2)
    expect(await send(STRANGER, distributor, 'refund', [pot, 1n, 1n, tree.getProof(0)])).toBe('InvalidProof')
    expect(await send(STRANGER, distributor, 'refund', [pot, 1n, allocated.get(pot), tree.getProof(0)])).toBeNull()
    expect(await evm.balance(distributor.address)).toBe(0n)
  })

  it('needs the last epoch that may have paid, final, and leaves what it says was earned', async () => {
    const world = await open()
    const { fund, owe, send, distributor, pot, evm } = world
    await fund(100n)
    await owe([{ pot, account: ann, amount: 10n }])
    const owed = [{ pot, account: ann, amount: 30n }]
    await closeAndWait(world, DAY)
    const [claim] = await owe(owed, 0n)
    evm.clock.now += DAY
    expect(await send(sam, distributor, 'refund', allocation(world, 1, [{ pot, account: ann, amount: 10n }]))).toBe('EpochSuperseded')
    expect(await send(sam, distributor, 'refund', allocation(world, 2, owed))).toBeNull()
    expect(await evm.balance(distributor.address)).toBe(30n)
    expect(await send(sam, distributor, 'refund', allocation(world, 2, owed))).toBe('NothingToPay')
    expect(await send(ann, distributor, 'claim', claim)).toBeNull()
  })

  it('waits for a dispute to be decided, and two days more where it took epochs back', async () => {
    const world = await open()
    const { fund, owe, send, distributor, pot, evm, dispute, resolve } = world
    await fund(100n)
    await owe([{ pot, account: ann, amount: 10n }])
    await closeAndWait(world, DAY)
    const owed = [{ pot, account: ann, amount: 30n }]
    await owe(owed, 0n)
    expect(await dispute(2)).toBeNull()
    evm.clock.now += 3n * DAY
    const first = allocation(world, 1, [{ pot, account: ann, amount: 10n }])
    expect(await send(sam, distributor, 'refund', first)).toBe('EpochSuperseded')
    expect(await send(sam, distributor, 'refund', allocation(world, 2, owed))).toBe('EpochNotFinal')
    await resolve(2, true)
    expect(await send(sam, distributor, 'refund', first)).toBe('TooEarly')
    evm.clock.now += 2n * DAY
    expect(await send(sam, distributor, 'refund', first)).toBeNull()
  })

  it('is never more than the pot has, whatever a wrong epoch paid from it', async () => {
    const world = await open()
    const { fund, send, distributor, pot, evm, system, ledger } = world
    await fund(100n)
    await fund(900n, zeroAddress, sue)
    // A root that pays 80 and says that nothing was earned.
    const lie = propose(system, 1, [{ pot, account: ann, amount: 80n }], [])
    const tree = propose(system, 1, [], [pot])
    const node = keccak256(`0x${[lie.leaves[0] ?? '', tree.leaves[0] ?? ''].sort().map((leaf) => leaf.slice(2)).join('')}`)
    await send(recorder, ledger, 'submitEpoch', [1n, node, node, node, 1, 0])
    await closeAndWait(world)
    expect(await send(ann, distributor, 'claim', [1n, pot, ann, 80n, tree.leaves])).toBeNull()
    expect(await send(sam, distributor, 'refund', [pot, 1n, 0n, lie.leaves])).toBeNull()
    expect(await evm.balance(distributor.address)).toBe(900n)
  })

  it('of all that is left takes a year', async () => {
    const world = await open()
    const { fund, send, distributor, pot, evm } = world
    await fund(100n)
    expect(await send(STRANGER, distributor, 'expire', [pot])).toBe('BountyNotClosed')
    await closeAndWait(world, 365n * DAY - 1n)
    expect(await send(STRANGER, distributor, 'expire', [pot])).toBe('TooEarly')
    evm.clock.now += 1n
    expect(await send(STRANGER, distributor, 'expire', [pot])).toBeNull()
    expect(await send(STRANGER, distributor, 'expire', [pot])).toBe('NothingToPay')
  })
})

describe('the token', () => {
  it('is minted by its treasurer alone, up to its cap', async () => {
    const { evm, send } = await open()
    const token = await evm.deploy(admin, artifact('AttuneToken'), [100n, admin, treasurer, 0])
    for (const who of [STRANGER, admin]) expect(await send(who, token, 'mint', [who, 1n])).toBe(NO_ROLE)
    expect(await send(treasurer, token, 'mint', [ann, 100n])).toBeNull()
    expect(await send(treasurer, token, 'mint', [ann, 1n])).toBe('ERC20ExceededCap')
  })
})
