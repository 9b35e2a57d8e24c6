// What people, and thieves, may do to the contracts, one transaction at a time. An action is
// a kind and a few dice: what they mean follows from the world as it is by then.
import fc from 'fast-check'
import { signClaim } from '../helpers/accounts.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { hashOfBytes, hashOfText } from '../helpers/hashes.ts'
import { DAY, demand } from './ledger-model.ts'
import {
  ACCOUNTS,
  CHAIN,
  type Content,
  type Owed,
  type Proposal,
  RATERS,
  ROLES,
  SESSIONS,
  SPONSORS,
  STAFF,
  STRANGER,
  type System,
  type World,
  potId,
  propose,
  roleId,
  through,
} from './ledger-world.ts'

export type Action = { kind: keyof typeof ACTIONS; dice: number[] }
type Roll = (sides: number) => number
type Step = (world: World, roll: Roll) => Promise<boolean>

const pick = <T>(list: readonly T[], roll: Roll): T => {
  const found = list[roll(list.length)]
  if (found === undefined) throw new Error('nothing to pick from')
  return found
}
const EVERYBODY: readonly Address[] = [...Object.values(STAFF), ...SPONSORS, ...ACCOUNTS, STRANGER]

/** One in `among` times somebody who has no right to it. */
const byRight = (rightful: Address, roll: Roll, among = 5): Address =>
  roll(among) === 0 ? pick(EVERYBODY, roll) : rightful

function systemOf({ systems, evm }: World, roll: Roll): System {
  const system = pick([...systems, ...systems.slice(0, 1)], roll)
  system.model.settle(evm.clock.now)
  return system
}
/** @param closed a closed one, mostly */
const somePot = (system: System, roll: Roll, closed = false) => {
  const distributor = pick(system.distributors, roll)
  const pots = [...distributor.model.pots]
  const wanted = pots.filter(([, { closedAt, left }]) => closed && roll(8) > 0 && closedAt > 0n && left > 0n)
  const [id] = pots.length === 0 ? [hashOfBytes('0x')] : pick(wanted.length > 0 ? wanted : pots, roll)
  return { ...distributor, id, pot: distributor.model.pots.get(id) }
}

const fund: Step = async (world, roll) => {
  const { distributors } = systemOf(world, roll)
  const { contract, model } = pick(distributors, roll)
  const [session, from, token] = [pick(SESSIONS, roll), pick(SPONSORS, roll), pick(world.tokens, roll)]
  const amount = BigInt(pick([0, 1, 30, 1_000, 5_000, 100_000], roll))
  const native = token === world.tokens[0]
  const value = roll(12) === 0 ? amount + 1n : native ? amount : 0n
  const perCredit = BigInt(roll(4))
  const id = potId(contract, session, from, token)
  return world.both(
    `fund ${amount} of ${token}`,
    world.evm.send({ from, to: contract, name: 'fund', args: [session, token, amount, perCredit], value }),
    () => {
      // In the contract's order.
      demandPaying(model, world)
      demand(value === (native ? amount : 0n), 'WrongValue')
      model.fund(id, from, token, through(world, token, amount), perCredit, world.evm.clock.now)
    },
  )
}
const demandPaying = (model: System['distributors'][number]['model'], { systems }: World): void => {
  const system = systems.find(({ distributors }) => distributors.some((one) => one.model === model))
  demand(system?.model.paused === false, 'PaymentsPaused')
}

const setPrice: Step = async (world, roll) => {
  const { contract, model, id, pot } = somePot(systemOf(world, roll), roll)
  const from = byRight(pot?.sponsor ?? STRANGER, roll, 2)
  return world.both('set the price', world.evm.send({ from, to: contract, name: 'setPrice', args: [id, 7n] }), () =>
    model.setPrice(id, from, 7n),
  )
}
const close: Step = async (world, roll) => {
  const { contract, model, id, pot } = somePot(systemOf(world, roll), roll)
  const from = byRight(pot?.sponsor ?? STRANGER, roll, 3)
  return world.both('close', world.evm.send({ from, to: contract, name: 'close', args: [id] }), () =>
    model.close(id, from, world.evm.clock.now),
  )
}

/** The epoch before with more in it; once in eight times a recorder's lie, in which anything may be. */
const record: Step = async (world, roll) => {
  const system = systemOf(world, roll)
  const { ledger, model, proposals } = system
  const id = model.epochs.length + 1
  const lie = roll(8) === 0
  const before = new Map(
    (proposals.find((one) => one.id === id - 1)?.owed ?? []).map((one) => [one.pot + one.account, one.amount]),
  )
  const pots = system.distributors.flatMap(({ model: books }) => [...books.pots])
  const owed = pots.flatMap(([pot, { funded }]): Owed[] => {
    let free = lie ? 10n ** 9n : funded - ACCOUNTS.reduce((sum, account) => sum + (before.get(pot + account) ?? 0n), 0n)
    return ACCOUNTS.flatMap((account) => {
      const had = lie && roll(2) === 0 ? 0n : (before.get(pot + account) ?? 0n)
      const more = free > 0n ? BigInt(roll(1_000)) % (free + 1n) : 0n
      free -= more
      return had + more === 0n ? [] : [{ pot, account, amount: had + more }]
    })
  })
  const proposal = propose(
    system,
    id,
    owed,
    pots.map(([pot]) => pot),
  )
  const from = byRight(STAFF.RECORDER_ROLE, roll, 10)
  const args = submission(id, proposal.content, model.rejections)
  const done = await world.both('record', world.evm.send({ from, to: ledger, name: 'submitEpoch', args }), () =>
    model.submit(from, id, proposal.content.join(), false, model.rejections, world.evm.clock.now),
  )
  if (done) keep(system, proposal)
  return done
}
const submission = (id: number, [contributions, rewards, manifest, count]: Content, rejections: number) => [
  BigInt(id),
  contributions,
  rewards,
  manifest,
  count,
  rejections,
]

/** Keeps what was recorded, in place of what a dispute took back. */
function keep({ proposals }: System, proposal: Proposal): void {
  const stale = proposals.findIndex(({ id }) => id >= proposal.id)
  proposals.splice(stale < 0 ? proposals.length : stale, Infinity, proposal)
}

/**
 * An epoch that is recorded already, with the same or with one thing changed; or out of turn, empty, or built before a
 * decision.
 */
const recordAmiss: Step = async (world, roll) => {
  const system = systemOf(world, roll)
  const { ledger, model, proposals } = system
  const last = model.epochs.length
  const id = roll(last + 3)
  const other = hashOfText(`other ${roll(99)}`)
  const known = proposals.find((one) => one.id === id && id <= last)?.content ?? [other, other, other, 1]
  const fault = roll(6)
  const content = known.map((part, i) =>
    i !== fault ? part : i === 3 ? pick([0, 2], roll) : other,
  ) as unknown as Content
  const rejections = model.rejections + (fault === 5 ? 1 : 0)
  const from = byRight(STAFF.RECORDER_ROLE, roll)
  const done = await world.both(
    `record epoch ${id} after ${last} with fault ${fault}`,
    world.evm.send({ from, to: ledger, name: 'submitEpoch', args: submission(id, content, rejections) }),
    () => model.submit(from, id, content.join(), content[3] === 0, rejections, world.evm.clock.now),
  )
  if (done && id > last) keep(system, { ...propose(system, id, [], []), content })
  return done
}

const dispute: Step = async (world, roll) => {
  const { ledger, model } = systemOf(world, roll)
  const id = Math.max(0, model.epochs.length - roll(3))
  const from = pick([...ACCOUNTS, STRANGER], roll)
  const value = roll(6) === 0 ? model.bond + 1n : model.bond
  return world.both(
    `dispute ${id}`,
    world.evm.send({ from, to: ledger, name: 'dispute', args: [BigInt(id), 'why'], value }),
    () => model.openDispute(from, id, value),
  )
}
const resolve: Step = async (world, roll) => {
  const { ledger, model } = systemOf(world, roll)
  const id = roll(8) === 0 ? roll(4) : (model.dispute?.epoch ?? 1)
  const upheld = roll(2) === 0
  const from = byRight(STAFF.ARBITER_ROLE, roll)
  return world.both(
    `resolve ${id}`,
    world.evm.send({ from, to: ledger, name: 'resolve', args: [BigInt(id), upheld] }),
    () => model.resolve(from, id, upheld, world.evm.clock.now),
  )
}
const bonds: Step = async (world, roll) => {
  const { ledger, model } = systemOf(world, roll)
  const from = byRight(STAFF.TREASURER_ROLE, roll, 3)
  if (roll(2) === 0)
    return world.both(
      'collect',
      world.evm.send({ from, to: ledger, name: 'collectForfeitedBonds', args: [STRANGER] }),
      () => void model.collect(from),
    )
  const disputer =
    model.returned.size > 0 && roll(3) > 0 ? pick([...model.returned.keys()], roll) : pick(EVERYBODY, roll)
  const before = await world.evm.balance(disputer)
  let amount = 0n
  const done = await world.both(
    'withdraw bonds',
    world.evm.send({ from: STRANGER, to: ledger, name: 'withdrawBonds', args: [disputer] }),
    () => void (amount = model.withdrawBonds(disputer)),
  )
  demand((await world.evm.balance(disputer)) === before + amount, 'a bond went astray')
  return done
}

/** Claims what some epoch says, most often the newest final one, now and then with something wrong about it. */
const claim: Step = async (world, roll) => {
  const system = systemOf(world, roll)
  const found = someClaim(system, roll)
  if (found === null) return false
  const wrong = roll(3) === 0 ? roll(8) : 99
  const { contract, model } = pick(system.distributors, roll)
  const home = system.distributors.find(({ model: books }) => books.pots.has(found.one.pot)) ?? { contract, model }
  const other = someClaim(system, roll)?.one ?? found.one
  // Another epoch, contract, pot (session, sponsor or token), account or amount; another leaf's proof, a cut or a
  // longer one.
  const said = {
    epoch: wrong === 0 ? roll(system.model.epochs.length + 2) : found.proposal.id,
    pot: wrong === 1 ? other.pot : found.one.pot,
    account: wrong === 2 ? pick([...ACCOUNTS, STRANGER], roll) : found.one.account,
    amount: wrong === 3 ? found.one.amount + BigInt(roll(3)) : found.one.amount,
    proof:
      wrong === 4
        ? found.proof.slice(1)
        : wrong === 5
          ? [...found.proof, hashOfBytes('0x')]
          : wrong === 6
            ? found.proof.toReversed()
            : found.proof,
  }
  const to = wrong === 7 ? { contract, model } : home
  const proven = isProven(system, said, found)
  const from = pick(EVERYBODY, roll)
  const args = [BigInt(said.epoch), said.pot, said.account, said.amount, said.proof]
  return world.both(
    `claim ${said.amount} of epoch ${said.epoch}, wrong ${wrong}`,
    world.evm.send({ from, to: to.contract, name: 'claim', args }),
    () => {
      to.model.claim(said.pot, said.epoch, said.account, said.amount, proven)
    },
  )
}
type Said = { epoch: number; pot: Hex; account: Address; amount: bigint; proof: readonly Hex[] }
const isProven = ({ model }: System, said: Said, { proposal, one, proof }: Found): boolean =>
  said.epoch === proposal.id &&
  model.epochs[said.epoch - 1]?.content === proposal.content.join() &&
  said.pot === one.pot &&
  said.account === one.account &&
  said.amount === one.amount &&
  said.proof.join() === proof.join()
type Found = { proposal: Proposal; one: Owed; proof: Hex[] }
function someClaim({ proposals, model }: System, roll: Roll): Found | null {
  const candidates = proposals.filter(({ owed, id }) => owed.length > 0 && id <= model.epochs.length)
  if (candidates.length === 0) return null
  const newest = candidates.findLast(({ id }) => model.isFinal(id)) ?? pick(candidates, roll)
  const proposal = roll(3) > 0 ? newest : pick(candidates, roll)
  const at = roll(proposal.owed.length)
  const one = proposal.owed[at]
  return one === undefined ? null : { proposal, one, proof: proposal.tree.getProof(at) as Hex[] }
}

const claimMany: Step = async (world, roll) => {
  const system = systemOf(world, roll)
  const distributor = pick(system.distributors, roll)
  const found = [someClaim(system, roll), someClaim(system, roll)].flatMap((one) =>
    one !== null && distributor.model.pots.has(one.one.pot) ? [one] : [],
  )
  // The model takes no step back, so only what it can take as a whole.
  if (found.length === 0 || new Set(found.map(({ one }) => one.pot)).size < found.length) return false
  const claims = found.map(({ proposal, one, proof }) => ({
    epochId: BigInt(proposal.id),
    bounty: one.pot,
    account: one.account,
    amount: one.amount,
    proof,
  }))
  const before = structuredClone(distributor.model.pots)
  return world.both(
    'claim several',
    world.evm.send({ from: STRANGER, to: distributor.contract, name: 'claimMany', args: [claims] }),
    () => {
      try {
        for (const { proposal, one } of found)
          distributor.model.claim(one.pot, proposal.id, one.account, one.amount, true)
      } catch (error) {
        for (const [id, pot] of before) distributor.model.pots.set(id, pot)
        throw error
      }
    },
  )
}

/** To somebody else: by the account itself, or by its signature, of this contract and claim and in time, or not. */
const claimTo: Step = async (world, roll) => {
  const system = systemOf(world, roll)
  const found = someClaim(system, roll)
  if (found === null) return false
  const { proposal, one, proof } = found
  const home = system.distributors.find(({ model }) => model.pots.has(one.pot))
  const signer = RATERS.find(({ address }) => address.toLowerCase() === one.account)
  if (home === undefined || signer === undefined) return false
  const [recipient, fault] = [pick([...SPONSORS, STRANGER], roll), roll(7)]
  const now = world.evm.clock.now
  const deadline = fault === 0 ? now - 1n : now
  const wrongly =
    [{}, { recipient: STAFF.admin }, { amount: one.amount + 1n }, { account: STRANGER }, { deadline: deadline + 1n }][
      fault
    ] ?? {}
  const at = { chainId: fault === 5 ? CHAIN + 1 : CHAIN, distributor: home.contract.address }
  const message = { bounty: one.pot, account: one.account, amount: one.amount, recipient, deadline, ...wrongly }
  const signature = await signClaim(signer, at, message)
  const from = roll(3) === 0 ? one.account : STRANGER
  const args = [
    { epochId: BigInt(proposal.id), bounty: one.pot, account: one.account, amount: one.amount, proof },
    recipient,
    deadline,
    signature,
  ]
  return world.both(
    `claim to another, fault ${fault}`,
    world.evm.send({ from, to: home.contract, name: 'claimTo', args }),
    () => {
      if (from !== one.account) {
        demand(fault !== 0, 'SignatureExpired')
        demand(fault === 6, 'InvalidSignature')
      }
      home.model.claim(one.pot, proposal.id, one.account, one.amount, true)
    },
  )
}

/** A claim that would pass here, on a chain of another id that has all the same in it. */
const claimElsewhere: Step = async (world, roll) => {
  const system = systemOf(world, roll)
  const found = someClaim(system, roll)
  if (found === null || !system.model.isFinal(found.proposal.id) || system.model.paused) return false
  const { contract } = pick(system.distributors, roll)
  const { one, proposal, proof } = found
  const elsewhere = await world.evm.fork(CHAIN + 1)
  return world.both(
    'claim on another chain',
    elsewhere.send({
      from: one.account,
      to: contract,
      name: 'claim',
      args: [BigInt(proposal.id), one.pot, one.account, one.amount, proof],
    }),
    () => demand(false, 'InvalidProof'),
  )
}

const refund: Step = async (world, roll) => {
  const system = systemOf(world, roll)
  const { contract, model, id } = somePot(system, roll, true)
  const { epochs } = system.model
  const epoch = roll(3) > 0 ? epochs.length : roll(epochs.length + 3)
  const proposal = system.proposals.find((one) => one.id === epoch && epochs[epoch - 1]?.content === one.content.join())
  const said = proposal?.allocated.get(id)
  const allocated = (said ?? 0n) + (roll(6) === 0 ? 1n : 0n)
  const at =
    proposal === undefined || said === undefined
      ? -1
      : proposal.owed.length + [...proposal.allocated.keys()].indexOf(id)
  const proof = at < 0 ? [] : (proposal?.tree.getProof(at) ?? [])
  return world.both(
    `refund by epoch ${epoch} of ${epochs.length}`,
    world.evm.send({ from: STRANGER, to: contract, name: 'refund', args: [id, BigInt(epoch), allocated, proof] }),
    () => {
      model.refund(id, epoch, allocated, said === allocated, world.evm.clock.now)
    },
  )
}
const expire: Step = async (world, roll) => {
  const { contract, model, id } = somePot(systemOf(world, roll), roll, true)
  return world.both(
    'expire',
    world.evm.send({ from: STRANGER, to: contract, name: 'expire', args: [id] }),
    () => void model.expire(id, world.evm.clock.now),
  )
}

const pass: Step = async ({ evm, systems }, roll) => {
  for (const { model } of systems) model.settle(evm.clock.now)
  evm.clock.now += pick([1n, 600n, 3_599n, 3_600n, DAY, 2n * DAY, 2n * DAY, 40n * DAY, 365n * DAY], roll)
  return true
}
const pause: Step = async (world, roll) => {
  const { ledger, model } = systemOf(world, roll)
  const from = byRight(STAFF.TREASURER_ROLE, roll, 4)
  const paused = !model.paused && roll(4) === 0
  return world.both('pause', world.evm.send({ from, to: ledger, name: 'setPaused', args: [paused] }), () =>
    model.setPaused(from, paused),
  )
}
/** A role is given and taken back within the action, so that the sequence goes on with those who have it. */
const roles: Step = async (world, roll) => {
  const { ledger, model } = systemOf(world, roll)
  const [role, who] = [pick(ROLES, roll), STRANGER]
  const from = byRight(STAFF.admin, roll, 2)
  for (const given of [true, false]) {
    const name = given ? 'grantRole' : 'revokeRole'
    await world.both(name, world.evm.send({ from, to: ledger, name, args: [roleId(role), who] }), () =>
      model.setRole(from, role, who, given),
    )
    if (given)
      await world.both(
        'pause as a newcomer',
        world.evm.send({ from: who, to: ledger, name: 'setPaused', args: [model.paused] }),
        () => model.setPaused(who, model.paused),
      )
  }
  return true
}
const terms: Step = async (world, roll) => {
  const { ledger, model } = systemOf(world, roll)
  const from = byRight(STAFF.admin, roll, 2)
  const window = pick([0n, 60n, 3_600n, 3_600n, 7_200n, 30n * DAY + 1n], roll)
  const bond = BigInt(pick([0, 1_000, 2_000], roll))
  return world.both(
    'set the terms',
    world.evm.send({ from, to: ledger, name: 'setDisputeTerms', args: [Number(window), bond] }),
    () => model.setTerms(from, window, bond, world.evm.clock.now),
  )
}

const ACTIONS = {
  fund,
  setPrice,
  close,
  record,
  recordAmiss,
  dispute,
  resolve,
  bonds,
  claim,
  claimMany,
  claimTo,
  claimElsewhere,
  refund,
  expire,
  pass,
  pause,
  roles,
  terms,
}
const WEIGHTS: { readonly [kind in Action['kind']]: number } = {
  fund: 9,
  setPrice: 1,
  close: 6,
  record: 14,
  recordAmiss: 4,
  dispute: 4,
  resolve: 5,
  bonds: 2,
  claim: 24,
  claimMany: 4,
  claimTo: 6,
  claimElsewhere: 1,
  refund: 8,
  expire: 2,
  pass: 16,
  pause: 5,
  roles: 1,
  terms: 1,
}

export const actions = (count: number): fc.Arbitrary<Action[]> =>
  fc.array(
    fc.record({
      kind: fc.oneof(
        ...(Object.keys(ACTIONS) as Action['kind'][]).map((kind) => ({
          weight: WEIGHTS[kind],
          arbitrary: fc.constant(kind),
        })),
      ),
      dice: fc.array(fc.nat(2 ** 30), { minLength: 64, maxLength: 64 }),
    }),
    { minLength: count, maxLength: count },
  )

/** Takes the action, and gives whether anything came of it. */
export function take(world: World, { kind, dice }: Action): Promise<boolean> {
  let at = 0
  return ACTIONS[kind](world, (sides) => (dice[at++ % dice.length] ?? 0) % sides)
}
