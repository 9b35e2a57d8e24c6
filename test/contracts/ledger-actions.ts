// What people, and thieves, may do to the contracts, one transaction at a time. An action is
// a kind and a few dice: what they mean follows from the world as it is by then.
import fc from 'fast-check'
import { hashOfText } from '../helpers/hashes.ts'
import { DAY, demand } from './ledger-model.ts'
import {
  ACCOUNTS,
  type Content,
  type Owed,
  type Proposal,
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
import { claim, claimElsewhere, claimMany, claimTo, expire, refund } from './ledger-claims.ts'
import { type Step, EVERYBODY, byRight, pick, somePot, systemOf } from './ledger-dice.ts'

export type Action = { kind: keyof typeof ACTIONS; dice: number[] }

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
