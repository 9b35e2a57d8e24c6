// Who is owed what, in plain TypeScript: what the contracts are held to, written from their
// documentation and not from their code. Finality, say, is a mark that an epoch gets once and
// keeps; the contract computes it anew from a few times at every question.
import type { Address, Hex } from '../../contracts/ledger/hex.ts'

/** What a contract refuses with, by its error's name. */
export class Refused extends Error {}
const refuse = (name: string): never => {
  throw new Refused(name)
}
export function demand(condition: boolean, error: string): asserts condition {
  if (!condition) refuse(error)
}

/** The error that something is refused with; null where it is done. */
export function refusal(act: () => void): string | null {
  try {
    act()
    return null
  } catch (error) {
    if (error instanceof Refused) return error.message
    throw error
  }
}

export type Role = 'RECORDER_ROLE' | 'ARBITER_ROLE' | 'TREASURER_ROLE'
const NO_ROLE = 'AccessControlUnauthorizedAccount'

export type ModelEpoch = { content: string; at: bigint; finalAt: bigint; final: boolean }
export type LedgerModel = ReturnType<typeof ledgerModel>

export function ledgerModel(
  admin: Address,
  holders: Readonly<Record<Role, Address>>,
  terms: { window: bigint; bond: bigint },
) {
  const roles = new Set(Object.entries(holders).map(([role, holder]) => `${role} ${holder}`))
  const returned = new Map<Address, bigint>()
  const self = {
    epochs: [] as ModelEpoch[],
    dispute: null as { epoch: number; by: Address; bond: bigint } | null,
    rejections: 0,
    rejectedAt: 0n,
    paused: false,
    forfeited: 0n,
    returned,
    ...terms,
    /** No later epoch is final sooner. */
    floor: 0n,
    resumesAt: 0n,

    allow(role: Role, who: Address): void {
      demand(roles.has(`${role} ${who}`), NO_ROLE)
    },
    setRole(by: Address, role: Role, who: Address, given: boolean): void {
      demand(by === admin, NO_ROLE)
      if (given) roles.add(`${role} ${who}`)
      else roles.delete(`${role} ${who}`)
    },

    /** Time has come to this; before anything else is asked. */
    settle(now: bigint): void {
      if (self.dispute !== null || now < self.resumesAt) return
      for (const epoch of self.epochs) epoch.final ||= epoch.finalAt <= now
    },
    isFinal: (id: number) => self.epochs[id - 1]?.final === true,

    submit(by: Address, id: number, content: string, empty: boolean, rejections: number, now: bigint): void {
      self.allow('RECORDER_ROLE', by)
      const there = self.epochs[id - 1]
      if (there !== undefined) return demand(there.content === content, 'EpochAlreadyRecorded')
      demand(id === self.epochs.length + 1, 'EpochOutOfOrder')
      demand(rejections === self.rejections, 'EpochOutdated')
      demand(!empty, 'EmptyEpoch')
      const finalAt = now + self.window
      self.epochs.push({ content, at: now, finalAt: finalAt > self.floor ? finalAt : self.floor, final: false })
    },
    openDispute(by: Address, id: number, value: bigint): void {
      demand(self.dispute === null, 'DisputeOpen')
      demand(self.epochs[id - 1]?.final === false, 'EpochNotPending')
      demand(value === self.bond, 'WrongBond')
      self.dispute = { epoch: id, by, bond: value }
    },
    resolve(by: Address, id: number, upheld: boolean, now: bigint): void {
      self.allow('ARBITER_ROLE', by)
      const decided = self.dispute
      demand(decided !== null && decided.epoch === id, 'NoSuchDispute')
      self.dispute = null
      self.resumesAt = now + self.window
      if (upheld) {
        self.epochs.length = id - 1
        self.rejections++
        self.rejectedAt = now
        returned.set(decided.by, (returned.get(decided.by) ?? 0n) + decided.bond)
      } else self.forfeited += decided.bond
    },
    withdrawBonds(of: Address): bigint {
      const amount = returned.get(of) ?? 0n
      demand(amount > 0n, 'NothingToPay')
      returned.delete(of)
      return amount
    },
    collect(by: Address): bigint {
      self.allow('TREASURER_ROLE', by)
      const amount = self.forfeited
      demand(amount > 0n, 'NothingToPay')
      self.forfeited = 0n
      return amount
    },
    setPaused(by: Address, paused: boolean): void {
      self.allow('TREASURER_ROLE', by)
      self.paused = paused
    },
    setTerms(by: Address, window: bigint, bond: bigint, now: bigint): void {
      demand(by === admin, NO_ROLE)
      demand(window <= 30n * DAY, 'DisputeWindowTooLong')
      if (now + self.window > self.floor) self.floor = now + self.window
      self.window = window
      self.bond = bond
    },
    /** Bonds that are the ledger's to keep or to return. */
    holds: () => self.forfeited + (self.dispute?.bond ?? 0n) + [...returned.values()].reduce((a, b) => a + b, 0n),
  }
  return self
}

export const DAY = 86_400n

export type Pot = {
  sponsor: Address
  token: Address
  left: bigint
  funded: bigint
  perCredit: bigint
  closedAt: bigint
  since: bigint
  /** By account. */
  paid: Map<Address, bigint>
  /** All that ever came in, and all that ever went back. */
  everFunded: bigint
  everReturned: bigint
}
export type DistributorModel = ReturnType<typeof distributorModel>

export function distributorModel(ledger: LedgerModel) {
  const pots = new Map<Hex, Pot>()
  const demandPaying = (): void => demand(!ledger.paused, 'PaymentsPaused')
  function own(id: Hex, by: Address): Pot {
    const pot = pots.get(id)
    demand(pot !== undefined, 'UnknownBounty')
    demand(pot.sponsor === by, 'NotSponsor')
    return pot
  }
  function closed(id: Hex): Pot {
    const pot = pots.get(id)
    demand(pot !== undefined && pot.closedAt !== 0n, 'BountyNotClosed')
    return pot
  }
  function giveBack(pot: Pot, amount: bigint): bigint {
    demand(amount > 0n, 'NothingToPay')
    pot.left -= amount
    pot.funded -= amount
    pot.everReturned += amount
    return amount
  }
  return {
    pots,
    /** @param arrived what the token lets through */
    fund(id: Hex, by: Address, token: Address, arrived: bigint, perCredit: bigint, now: bigint): void {
      demandPaying()
      demand(arrived > 0n, 'NothingFunded')
      const fresh: Pot = {
        sponsor: by,
        token,
        left: 0n,
        funded: 0n,
        perCredit,
        closedAt: 0n,
        since: now,
        paid: new Map(),
        everFunded: 0n,
        everReturned: 0n,
      }
      const pot = pots.get(id) ?? fresh
      pots.set(id, pot)
      pot.closedAt = 0n
      pot.left += arrived
      pot.funded += arrived
      pot.everFunded += arrived
      pot.perCredit = perCredit
    },
    setPrice(id: Hex, by: Address, perCredit: bigint): void {
      own(id, by).perCredit = perCredit
    },
    close(id: Hex, by: Address, now: bigint): void {
      const pot = own(id, by)
      if (pot.closedAt === 0n) pot.closedAt = now
    },
    /** @param proven whether the epoch has a leaf that says so */
    refund(id: Hex, epoch: number, allocated: bigint, proven: boolean, now: bigint): bigint {
      const pot = closed(id)
      const opensAt = (pot.closedAt > ledger.rejectedAt ? pot.closedAt : ledger.rejectedAt) + 2n * DAY
      demand(now >= opensAt, 'TooEarly')
      const next = ledger.epochs[epoch]
      demand(next === undefined || next.at >= opensAt, 'EpochSuperseded')
      demandPaying()
      const noneCame = epoch === ledger.epochs.length && (ledger.epochs[epoch - 1]?.at ?? 0n) < pot.since
      if (allocated > 0n || !noneCame) {
        demand(ledger.isFinal(epoch), 'EpochNotFinal')
        demand(proven, 'InvalidProof')
      }
      const free = pot.funded - allocated
      return giveBack(pot, free < pot.left ? (free > 0n ? free : 0n) : pot.left)
    },
    expire(id: Hex, now: bigint): bigint {
      demandPaying()
      const pot = closed(id)
      demand(now >= pot.closedAt + 365n * DAY, 'TooEarly')
      return giveBack(pot, pot.left)
    },
    /** Gives what is paid. @param proven whether the epoch has a leaf of this pot, account and amount */
    claim(id: Hex, epoch: number, account: Address, amount: bigint, proven: boolean): bigint {
      demandPaying()
      demand(ledger.isFinal(epoch), 'EpochNotFinal')
      demand(proven, 'InvalidProof')
      const pot = pots.get(id)
      const due = amount - (pot?.paid.get(account) ?? 0n)
      demand(due > 0n, 'NothingToPay')
      demand(pot !== undefined && due <= pot.left, 'PotTooSmall')
      pot.paid.set(account, amount)
      pot.left -= due
      return due
    },
  }
}
