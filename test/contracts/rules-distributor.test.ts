// The rules that a random sequence seldom or never comes upon, each by itself and at once: the distributor’s, and the
// token’s.
import { toUtf8Bytes } from 'ethers'
import { describe, expect, it } from 'vitest'
import { artifact } from '../../contracts/solidity/compile.ts'
import { allocationLeaf } from '../../contracts/ledger/epoch/leaf.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { ZERO_ADDRESS, ZERO_HASH, hashOfBytes } from '../helpers/hashes.ts'
import { type Contract } from '../helpers/evm.ts'
import { DAY } from './ledger-model.ts'
import { CHAIN, type Owed, STRANGER, potId, propose, strange } from './ledger-world.ts'
import { NO_ROLE, WINDOW, admin, ann, bob, call, one, open, recorder, sam, sue, treasurer, two } from './rules-world.ts'

const MAX_UINT96 = 2n ** 96n - 1n

describe('the distributor', () => {
  it('takes what it is told of the coin, what arrives of a token, and nothing else', async () => {
    const { fund, send, distributor, evm, world, pot, plain } = await open()
    expect(await fund(0n)).toBe('NothingFunded')
    expect(await send(sam, distributor, 'fund', [one, ZERO_ADDRESS, 5n, 1n], 4n)).toBe('WrongValue')
    expect(await send(sam, distributor, 'fund', [one, plain.address, 5n, 1n], 5n)).toBe('WrongValue')
    expect(await fund(5n)).toBeNull()
    const [, feeing] = world.tokenContracts
    if (feeing === undefined) throw new Error('no such token')
    expect(await fund(1_000n, feeing.address)).toBeNull()
    const left = async (id: Hex) => (await evm.read<unknown[]>(distributor, 'bounties', [id]))[1]
    expect(await left(potId(distributor, one, sam, feeing.address))).toBe(975n)
    expect(await left(pot)).toBe(5n)
    // A bounty is of 96 bits: what does not fit is refused, not cut.
    expect(await send(sam, plain, 'mint', [sam, 2n * MAX_UINT96])).toBeNull()
    expect(await fund(MAX_UINT96 + 6n, plain.address)).toBe('SafeCastOverflowedUintDowncast')
    expect(await fund(5n, STRANGER)).not.toBeNull()
  })

  it('gives each sponsor, session, token, contract and chain a pot of its own', async () => {
    const { evm, distributor, world, plain, pot } = await open()
    const other = world.systems[0]?.distributors[1]?.contract ?? distributor
    const id = (where: Pick<typeof evm, 'read'>, of: Contract, ...args: unknown[]) =>
      where.read<Hex>(of, 'bountyOf', args)
    const ids = [
      await id(evm, distributor, one, sam, ZERO_ADDRESS),
      await id(evm, distributor, two, sam, ZERO_ADDRESS),
      await id(evm, distributor, one, sue, ZERO_ADDRESS),
      await id(evm, distributor, one, sam, plain.address),
      await id(evm, other, one, sam, ZERO_ADDRESS),
      await id(await evm.fork(CHAIN + 1), distributor, one, sam, ZERO_ADDRESS),
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
    const other = potId(distributor, one, sue, ZERO_ADDRESS)
    await fund(7n, ZERO_ADDRESS, sue)
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
    await fund(900n, ZERO_ADDRESS, sue)
    const [mine, tooMuch] = await owe(
      [
        { pot, account: ann, amount: 60n },
        { pot, account: bob, amount: 41n },
      ],
      0n,
    )
    if (mine === undefined || tooMuch === undefined) throw new Error('no claims')
    expect(await send(ann, distributor, 'claim', mine)).toBe('EpochNotFinal')
    evm.clock.now += WINDOW
    const [epoch, id, account, amount, proof] = mine
    const others = [
      [2n, id, account, amount, proof],
      [0n, id, account, amount, proof],
    ] as const
    for (const args of others) expect(await send(ann, distributor, 'claim', args)).toBe('EpochNotFinal')
    for (const args of [
      [epoch, potId(distributor, one, sue, ZERO_ADDRESS), account, amount, proof],
      [epoch, id, bob, amount, proof],
      [epoch, id, account, amount + 1n, proof],
      [epoch, id, account, amount, proof.slice(1)],
      [epoch, id, account, amount, []],
    ])
      expect(await send(ann, distributor, 'claim', args)).toBe('InvalidProof')
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
      allocationLeaf({ ...at, chainId: CHAIN + 1 }, 1, pot, 0n),
      allocationLeaf({ ...at, ledger: STRANGER }, 1, pot, 0n),
      allocationLeaf(at, 2, pot, 0n),
      propose({ ...system, ledger: { ...ledger, address: STRANGER } }, 1, [{ pot, account: ann, amount: 1n }], [])
        .leaves[0] ?? ZERO_HASH,
      propose(system, 2, [{ pot, account: ann, amount: 1n }], []).leaves[0] ?? ZERO_HASH,
    ]
    await send(sam, distributor, 'close', [pot])
    // A tree of one leaf: its root is the leaf, its proof is empty.
    for (const leaf of leaves) {
      const there = await evm.fork(CHAIN)
      expect(
        (await there.send({ from: recorder, to: ledger, name: 'submitEpoch', args: [1n, leaf, leaf, leaf, 1, 0] }))
          .error,
      ).toBeNull()
      there.clock.now += 2n * DAY
      expect(
        (await there.send({ from: ann, to: distributor, name: 'claim', args: [1n, pot, ann, 1n, []] })).error,
      ).toBe('InvalidProof')
      expect((await there.send({ from: sam, to: distributor, name: 'refund', args: [pot, 1n, 0n, []] })).error).toBe(
        'InvalidProof',
      )
    }
  })

  it('pays to another only for the account itself, or for its signature, in time', async () => {
    const { fund, owe, send, distributor, pot, evm } = await open()
    const wallet = await evm.deploy(admin, strange('Visitor'))
    await fund(100n)
    const [claim] = await owe([{ pot, account: wallet.address, amount: 10n }])
    if (claim === undefined) throw new Error('no claim')
    const [epochId, bounty, account, amount, proof] = claim
    const said = (deadline: bigint, signature: string) => [
      { epochId, bounty, account, amount, proof },
      sue,
      deadline,
      toUtf8Bytes(signature),
    ]
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
    const [eager, refusing, burning] = [
      await evm.deploy(admin, strange('Visitor')),
      await evm.deploy(admin, strange('Visitor')),
      await evm.deploy(admin, strange('Visitor')),
    ]
    const claims = await owe([eager, refusing, burning].map(({ address }) => ({ pot, account: address, amount: 100n })))
    const [first, second, third] = claims
    if (first === undefined || second === undefined || third === undefined) throw new Error('no claims')
    await send(sam, eager, 'be', [3, distributor.address, call('claim', first)])
    expect(await send(STRANGER, distributor, 'claim', first)).toBeNull()
    expect(await evm.balance(eager.address)).toBe(100n)
    await send(sam, refusing, 'be', [1, ZERO_ADDRESS, '0x'])
    expect(await send(STRANGER, distributor, 'claim', second)).toBe('FailedCall')
    await send(sam, burning, 'be', [2, ZERO_ADDRESS, '0x'])
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
    expect(await send(sam, plain, 'callBack', [ZERO_ADDRESS, '0x'])).toBeNull()
    const pot = potId(distributor, one, sam, plain.address)
    const [claim] = await owe([{ pot, account: ann, amount: 10n }])
    if (claim === undefined) throw new Error('no claim')
    await send(sam, plain, 'callBack', [distributor.address, call('claim', claim)])
    expect(await send(STRANGER, distributor, 'claim', claim)).toBe('NothingToPay')
    await send(sam, plain, 'callBack', [ZERO_ADDRESS, '0x'])
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
    for (const { address } of [distributor, ledger])
      expect(await send(sam, visitor, 'act', [address, 1n, '0x'], 1n)).not.toBeNull()
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
    expect(await send(sam, distributor, 'refund', allocation(world, 1, [{ pot, account: ann, amount: 10n }]))).toBe(
      'EpochSuperseded',
    )
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
    await fund(900n, ZERO_ADDRESS, sue)
    // A root that pays 80 and says that nothing was earned.
    const lie = propose(system, 1, [{ pot, account: ann, amount: 80n }], [])
    const tree = propose(system, 1, [], [pot])
    const node = hashOfBytes(
      `0x${[lie.leaves[0] ?? '', tree.leaves[0] ?? '']
        .sort()
        .map((leaf) => leaf.slice(2))
        .join('')}`,
    )
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
