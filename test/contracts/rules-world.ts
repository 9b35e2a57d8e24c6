// One ledger and its distributor in a world of their own, and short words for what is done to them.
import { distributorInterface } from '../../contracts/ledger/client/abi.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { ZERO_ADDRESS, hashOfText } from '../helpers/hashes.ts'
import type { Contract } from '../helpers/evm.ts'
import {
  ACCOUNTS,
  type Owed,
  SESSIONS,
  SPONSORS,
  STAFF,
  deployWorld,
  openLedgerWorld,
  potId,
  propose,
} from './ledger-world.ts'

const deployed = deployWorld()
export const [ann, bob] = ACCOUNTS as [Address, Address]
export const [sam, sue] = SPONSORS as [Address, Address]
export const [one, two] = SESSIONS as [Hex, Hex]
export const { admin, RECORDER_ROLE: recorder, ARBITER_ROLE: arbiter, TREASURER_ROLE: treasurer } = STAFF
export const NO_ROLE = 'AccessControlUnauthorizedAccount'
export const WINDOW = 3_600n
export const BOND = 1_000n

export async function open() {
  const world = await openLedgerWorld(await deployed)
  const { evm, systems, tokenContracts } = world
  const [system] = systems
  const home = system?.distributors[0]
  const [plain] = tokenContracts
  if (system === undefined || home === undefined || plain === undefined) throw new Error('an empty world')
  const { ledger } = system
  const distributor = home.contract
  const send = async (from: Address, to: Contract, name: string, args: readonly unknown[] = [], value = 0n) =>
    (await evm.send({ from, to, name, args, value })).error
  const pot = potId(distributor, one, sam, ZERO_ADDRESS)
  let lastEpoch = 0
  return {
    world,
    evm,
    system,
    ledger,
    distributor,
    plain,
    send,
    pot,
    fund: (amount: bigint, token: Address = ZERO_ADDRESS, from = sam) =>
      send(from, distributor, 'fund', [one, token, amount, 1n], token === ZERO_ADDRESS ? amount : 0n),
    /** Records who is owed what, makes it final, and gives the arguments of the claims. */
    async owe(owed: Owed[], wait = WINDOW) {
      const proposal = propose(system, ++lastEpoch, owed, [...new Set(owed.map((each) => each.pot))])
      const error = await send(recorder, ledger, 'submitEpoch', [BigInt(proposal.id), ...proposal.content, 0])
      if (error !== null) throw new Error(`the epoch was refused: ${error}`)
      evm.clock.now += wait
      return owed.map(
        (each, i) => [BigInt(proposal.id), each.pot, each.account, each.amount, proposal.tree.getProof(i)] as const,
      )
    },
    submit: (
      id: number,
      over: { root?: Hex; rewards?: Hex; count?: number; rejections?: number } = {},
      from = recorder,
    ) =>
      send(from, ledger, 'submitEpoch', [
        BigInt(id),
        over.root ?? toHash(`c ${id}`),
        over.rewards ?? toHash(`r ${id}`),
        toHash(`m ${id}`),
        over.count ?? 1,
        over.rejections ?? 0,
      ]),
    dispute: (id: number, value = BOND, from: Address = ann) =>
      send(from, ledger, 'dispute', [BigInt(id), 'wrong'], value),
    resolve: (id: number, upheld: boolean, from: Address = arbiter) =>
      send(from, ledger, 'resolve', [BigInt(id), upheld]),
    status: (id: number) => evm.read<number>(ledger, 'epochStatus', [BigInt(id)]),
    lastFinal: () => evm.read<bigint>(ledger, 'lastFinalEpochId'),
  }
}
export const toHash = (text: string): Hex => hashOfText(text)
/** Of the distributor. */
export const call = (name: string, args: readonly unknown[]) =>
  distributorInterface.encodeFunctionData(name, args) as Hex
