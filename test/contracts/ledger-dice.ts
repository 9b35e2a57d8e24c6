// What an action is, and whom and what its dice pick from the world.
import type { Address } from '../../contracts/ledger/hex.ts'
import { hashOfBytes } from '../helpers/hashes.ts'
import { ACCOUNTS, SPONSORS, STAFF, STRANGER, type System, type World } from './ledger-world.ts'

export type Roll = (sides: number) => number

export type Step = (world: World, roll: Roll) => Promise<boolean>

export const pick = <T>(list: readonly T[], roll: Roll): T => {
  const found = list[roll(list.length)]
  if (found === undefined) throw new Error('nothing to pick from')
  return found
}

export const EVERYBODY: readonly Address[] = [...Object.values(STAFF), ...SPONSORS, ...ACCOUNTS, STRANGER]

/** One in `among` times somebody who has no right to it. */
export const byRight = (rightful: Address, roll: Roll, among = 5): Address =>
  roll(among) === 0 ? pick(EVERYBODY, roll) : rightful

export function systemOf({ systems, evm }: World, roll: Roll): System {
  const system = pick([...systems, ...systems.slice(0, 1)], roll)
  system.model.settle(evm.clock.now)
  return system
}

/** @param closed a closed one, mostly */
export const somePot = (system: System, roll: Roll, closed = false) => {
  const distributor = pick(system.distributors, roll)
  const pots = [...distributor.model.pots]
  const wanted = pots.filter(([, { closedAt, left }]) => closed && roll(8) > 0 && closedAt > 0n && left > 0n)
  const [id] = pots.length === 0 ? [hashOfBytes('0x')] : pick(wanted.length > 0 ? wanted : pots, roll)
  return { ...distributor, id, pot: distributor.model.pots.get(id) }
}
