// Two ledgers, three distributors and the tokens there are, on an EVM in this process; and
// beside each the model of it. Every transaction of the one is held against the other.
import { SimpleMerkleTree } from '@openzeppelin/merkle-tree'
import { expect } from 'vitest'
import { artifact, artifactIn } from '../../contracts/solidity/compile.ts'
import { allocationLeaf, bountyId, rewardLeaf } from '../../contracts/ledger/epoch/leaf.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { accountOf } from '../helpers/accounts.ts'
import { ZERO_ADDRESS, hashOfText } from '../helpers/hashes.ts'
import { type Contract, type LocalEvm, type Outcome, openEvm } from '../helpers/evm.ts'
import {
  type DistributorModel,
  type LedgerModel,
  type Role,
  distributorModel,
  ledgerModel,
  refusal,
} from './ledger-model.ts'

const STRANGE = { StrangeToken: 'test/contracts/strange.sol', Visitor: 'test/contracts/strange.sol' } as const
export const strange = (name: keyof typeof STRANGE) => artifactIn(STRANGE, name, 'strange.json')

const person = (name: string) => accountOf(hashOfText(name))
const lower = (address: Address) => address.toLowerCase() as Address
export const RATERS = ['ann', 'bob', 'cem', 'dua'].map(person)
export const STAFF = {
  admin: lower(person('admin').address),
  RECORDER_ROLE: lower(person('recorder').address),
  ARBITER_ROLE: lower(person('arbiter').address),
  TREASURER_ROLE: lower(person('treasurer').address),
}
export const SPONSORS = ['sam', 'sue'].map((name) => lower(person(name).address))
export const STRANGER = lower(person('a stranger').address)
export const ACCOUNTS = RATERS.map(({ address }) => lower(address))
export const SESSIONS = ['one', 'two'].map((name) => hashOfText(name))
export const RICH = 10n ** 24n
const FEE_BPS = 250n

/** An epoch as it was proposed: who is owed what, by which pot, and the tree of it. */
export type Proposal = {
  id: number
  content: Content
  owed: Owed[]
  allocated: Map<Hex, bigint>
  tree: SimpleMerkleTree
  leaves: Hex[]
}
/** What the ledger holds of it: two roots, the manifest's hash, and how many contributions. */
export type Content = readonly [contributions: Hex, rewards: Hex, manifest: Hex, count: number]
export type Owed = { pot: Hex; account: Address; amount: bigint }
export type System = {
  ledger: Contract
  model: LedgerModel
  proposals: Proposal[]
  distributors: { contract: Contract; model: DistributorModel }[]
}
export type World = Awaited<ReturnType<typeof openLedgerWorld>>

const TERMS = { window: 3_600n, bond: 1_000n }

/** Everything but the models: copied for each sequence. */
export async function deployWorld() {
  const evm = await openEvm()
  for (const who of [...Object.values(STAFF), ...SPONSORS, ...ACCOUNTS, STRANGER]) await evm.give(who, RICH)
  const { admin, RECORDER_ROLE, ARBITER_ROLE, TREASURER_ROLE } = STAFF
  const systems = []
  for (const count of [2, 1]) {
    const ledger = await evm.deploy(admin, artifact('ContributionLedger'), [
      admin,
      RECORDER_ROLE,
      ARBITER_ROLE,
      TREASURER_ROLE,
      0,
      Number(TERMS.window),
      TERMS.bond,
    ])
    const distributors = []
    for (let i = 0; i < count; i++)
      distributors.push(await evm.deploy(admin, artifact('RewardDistributor'), [ledger.address]))
    systems.push({ ledger, distributors })
  }
  const tokens = []
  for (const [fee, silent] of [
    [0n, false],
    [FEE_BPS, false],
    [0n, true],
  ] as const)
    tokens.push(await evm.deploy(admin, strange('StrangeToken'), [fee, silent]))
  for (const token of tokens)
    for (const who of SPONSORS) await evm.send({ from: who, to: token, name: 'mint', args: [who, RICH] })
  return { evm, systems, tokens }
}

export async function openLedgerWorld(deployed: Awaited<ReturnType<typeof deployWorld>>) {
  const evm: LocalEvm = await deployed.evm.fork(CHAIN)
  const systems: System[] = deployed.systems.map(({ ledger, distributors }) => {
    const model = ledgerModel(STAFF.admin, STAFF, TERMS)
    // The terms were set once, in the constructor: from that moment counts the floor, before any window.
    model.floor = evm.clock.now
    return {
      ledger,
      model,
      proposals: [],
      distributors: distributors.map((contract) => ({ contract, model: distributorModel(model) })),
    }
  })
  return {
    evm,
    systems,
    tokens: [ZERO_ADDRESS, ...deployed.tokens.map(({ address }) => address)],
    tokenContracts: deployed.tokens,

    /** Sends it, and holds what came of it against what the model says. */
    async both(what: string, send: Promise<Outcome>, model: () => void): Promise<boolean> {
      const { error } = await send
      const due = refusal(model)
      if (error !== due) throw new Error(`${what}: the contract says ${error ?? 'yes'}, the model ${due ?? 'yes'}`)
      return error === null
    },
  }
}

export const CHAIN = 31_337

/** What a token lets through of an amount. */
export const through = (world: World, token: Address, amount: bigint): bigint =>
  token === world.tokens[2] ? amount - (amount * FEE_BPS) / 10_000n : amount

export const potId = (distributor: Contract, session: Hex, sponsor: Address, token: Address): Hex =>
  bountyId(CHAIN, distributor.address, session, sponsor, token)

/** Builds the tree of an epoch; what a pot owes in all is the sum of what it owes. */
export function propose({ ledger }: System, id: number, owed: Owed[], pots: readonly Hex[]): Proposal {
  const at = { chainId: CHAIN, ledger: ledger.address }
  const allocated = new Map(
    pots.map((pot) => [pot, owed.reduce((sum, one) => (one.pot === pot ? sum + one.amount : sum), 0n)]),
  )
  const leaves = [
    ...owed.map(({ pot, account, amount }) => rewardLeaf(at, id, pot, account, amount)),
    ...[...allocated].map(([pot, amount]) => allocationLeaf(at, id, pot, amount)),
  ]
  const tree = SimpleMerkleTree.of(leaves.length === 0 ? [hashOfText('nothing')] : leaves)
  const other = hashOfText(`epoch ${id} ${tree.root}`)
  return { id, content: [other, tree.root as Hex, other, 1], owed, allocated, tree, leaves }
}

/** Everything that was promised about money, read from the chain. */
export async function audit({ evm, systems, tokens, tokenContracts }: World): Promise<void> {
  for (const { ledger, model, distributors } of systems) {
    expect(await evm.balance(ledger.address), 'a ledger’s bonds').toBe(model.holds())
    for (const { contract, model: books } of distributors) {
      for (const [id, pot] of books.pots) {
        const [token, left, sponsor, closedAt, funded] = await evm.read<[Address, bigint, Address, number, bigint]>(
          contract,
          'bounties',
          [id],
        )
        expect([token.toLowerCase(), left, sponsor.toLowerCase(), BigInt(closedAt), funded]).toEqual([
          pot.token,
          pot.left,
          pot.sponsor,
          pot.closedAt,
          pot.funded,
        ])
        const paid = [...pot.paid.values()].reduce((a, b) => a + b, 0n)
        expect(paid + pot.everReturned + pot.left, 'what came in').toBe(pot.everFunded)
        for (const [account, amount] of pot.paid)
          expect(await evm.read(contract, 'claimed', [id, account])).toBe(amount)
      }
      for (const [i, token] of tokens.entries()) {
        const owed = [...books.pots.values()].reduce((sum, pot) => (pot.token === token ? sum + pot.left : sum), 0n)
        const coin = tokenContracts[i - 1]
        const held =
          coin === undefined
            ? await evm.balance(contract.address)
            : await evm.read<bigint>(coin, 'balanceOf', [contract.address])
        expect(held, `what ${contract.address} holds of token ${i}`).toBe(owed)
      }
    }
  }
}

export const ROLES: readonly Role[] = ['RECORDER_ROLE', 'ARBITER_ROLE', 'TREASURER_ROLE']
export const roleId = (role: Role): Hex => hashOfText(role)
export const encode = (contract: Contract, name: string, args: readonly unknown[]): Hex =>
  contract.abi.encodeFunctionData(name, args) as Hex
