import { type Address, BaseError, ContractFunctionZeroDataError, zeroAddress } from 'viem'
import { distributorAbi, ledgerAbi } from './abi-viem.ts'
import type { ChainClient } from './chain.ts'
import type { Market, Offer } from '../epoch/payout.ts'
import type { BountyKey } from '../epoch/ports.ts'

/** Reads bounties at one block. A bounty that the distributor did not have by then is empty: it pays nothing yet. */
export async function readMarket({ client, ledger, distributor, keys, block }: Question): Promise<Market> {
  const { timestamp } = await client.getBlock({ blockNumber: block })
  const { rejectedAt } = await orAbsent(
    client.readContract({ address: ledger, abi: ledgerAbi, functionName: 'ledgerState', blockNumber: block }),
    { rejectedAt: 0 },
  )
  const offers = keys.map(async (key): Promise<Offer> => {
    const read = client.readContract({
      address: distributor,
      abi: distributorAbi,
      functionName: 'bounties',
      args: [key.bounty],
      blockNumber: block,
    })
    const [, , , closedAt, funded, perCredit] = await orAbsent(read, [zeroAddress, 0n, zeroAddress, 0, 0n, 0n] as const)
    return { ...key, closedAt, funded, perCredit }
  })
  return { block, time: Number(timestamp), rejectedAt, offers: await Promise.all(offers) }
}

type Question = {
  client: ChainClient
  ledger: Address
  distributor: Address
  keys: readonly BountyKey[]
  block: bigint
}

/** A contract that is younger than the block answers nothing. */
async function orAbsent<T, Absent>(read: Promise<T>, absent: Absent): Promise<T | Absent> {
  try {
    return await read
  } catch (error) {
    if (error instanceof BaseError && error.walk((cause) => cause instanceof ContractFunctionZeroDataError) !== null)
      return absent
    throw error
  }
}
