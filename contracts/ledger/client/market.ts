import type { Address } from '../hex.ts'
import type { Market, Offer } from '../epoch/payout.ts'
import type { BountyKey } from '../epoch/ports.ts'
import { type BountyOnChain, type LedgerState, distributorInterface, ledgerInterface } from './abi.ts'
import { type Provider, call, isSilence } from './rpc.ts'

/** Reads bounties at one block. A bounty that the distributor did not have by then is empty: it pays nothing yet. */
export async function readMarket({ provider, ledger, distributor, keys, block }: Question): Promise<Market> {
  const found = await provider.getBlock(block)
  if (found === null) throw new Error(`the node knows no block ${block}`)
  const ledgerAt = { address: ledger, abi: ledgerInterface }
  const { rejectedAt } = await orAbsent(call<LedgerState>(provider, ledgerAt, 'ledgerState', [], block), {
    rejectedAt: 0,
  })
  const pots = { address: distributor, abi: distributorInterface }
  const offers = keys.map(async (key): Promise<Offer> => {
    const read = call<BountyOnChain>(provider, pots, 'bounties', [key.bounty], block)
    const { closedAt, funded, perCredit } = await orAbsent(read, { closedAt: 0, funded: 0n, perCredit: 0n })
    return { ...key, closedAt, funded, perCredit }
  })
  return { block, time: found.timestamp, rejectedAt, offers: await Promise.all(offers) }
}

type Question = {
  provider: Provider
  ledger: Address
  distributor: Address
  keys: readonly BountyKey[]
  block: bigint
}

/** A contract that is younger than the block returns nothing. */
async function orAbsent<T extends Absent, Absent>(read: Promise<T>, absent: Absent): Promise<Absent> {
  try {
    return await read
  } catch (error) {
    if (isSilence(error)) return absent
    throw error
  }
}
