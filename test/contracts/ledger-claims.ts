// How money leaves the contracts: by claims, rightful and not, and back to those who gave it.
import { signClaim } from '../helpers/accounts.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { hashOfBytes } from '../helpers/hashes.ts'
import { demand } from './ledger-model.ts'
import {
  ACCOUNTS,
  CHAIN,
  type Owed,
  type Proposal,
  RATERS,
  SPONSORS,
  STAFF,
  STRANGER,
  type System,
} from './ledger-world.ts'
import { type Roll, type Step, EVERYBODY, pick, somePot, systemOf } from './ledger-dice.ts'

/** Claims what some epoch says, most often the newest final one, now and then with something wrong about it. */
export const claim: Step = async (world, roll) => {
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

export const claimMany: Step = async (world, roll) => {
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
export const claimTo: Step = async (world, roll) => {
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
export const claimElsewhere: Step = async (world, roll) => {
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

export const refund: Step = async (world, roll) => {
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

export const expire: Step = async (world, roll) => {
  const { contract, model, id } = somePot(systemOf(world, roll), roll, true)
  return world.both(
    'expire',
    world.evm.send({ from: STRANGER, to: contract, name: 'expire', args: [id] }),
    () => void model.expire(id, world.evm.clock.now),
  )
}
