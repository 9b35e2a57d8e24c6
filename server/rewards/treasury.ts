import { randomUUID } from 'node:crypto'
import { ZeroAddress } from 'ethers'
import type { z } from 'zod'
import { distributorInterface, tokenInterface } from '../../contracts/ledger/client/abi.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { sessionKey } from '../../contracts/ledger/epoch/leaf.ts'
import { refundOf } from './bounties.ts'
import { paying } from './claims.ts'
import type { Deps } from '../deps.ts'
import { bountiesAt } from '../../core/db/bounties.ts'
import { transaction } from '../../core/db/pool.ts'
import { sessionBasics } from '../../core/db/sessions.ts'
import { insertOrder, type TreasuryCall } from '../../core/db/treasury-orders.ts'
import { AttuneError } from '../../core/errors.ts'
import type { Caller } from '../../core/permissions.ts'
import type { OrderTreasury } from '../../core/protocol/index.ts'
import type { TreasurySender } from './treasury-sender.ts'

/**
 * Places an order with the treasury. It is stored, and sent to the chain in its turn: nothing waits
 * for that.
 *
 * @throws AttuneError not-found, conflict, unavailable
 */
export async function orderOf(
  deps: Deps,
  caller: Caller,
  sessionId: string,
  order: z.output<typeof OrderTreasury>,
): Promise<{ id: string }> {
  const { chain } = paying(deps)
  const { treasury } = chain
  if (treasury === null)
    throw new AttuneError('unavailable', 'this installation has no treasury: set TREASURER_PRIVATE_KEY')
  await sessionBasics(deps.pool, sessionId)
  const calls =
    order.what === 'fund'
      ? await fundingCalls(deps, treasury, sessionId, order)
      : [await changeCall(deps, treasury, sessionId, order)]
  const ids = calls.map(() => randomUUID())
  await transaction(deps.pool, async (client) => {
    for (const [i, call] of calls.entries())
      await insertOrder(client, { chainId: chain.chainId, sessionId, orderedBy: caller.userId }, ids[i] ?? '', call)
  })
  return { id: ids.at(-1) ?? '' }
}

type Order<What> = Extract<z.output<typeof OrderTreasury>, { what: What }>

async function fundingCalls(
  deps: Deps,
  treasury: TreasurySender,
  sessionId: string,
  { token: given, amount: text, perCredit }: Order<'fund'>,
): Promise<TreasuryCall[]> {
  const { bounties } = paying(deps)
  const [token, amount] = [given.toLowerCase() as Address, BigInt(text)]
  if ((await bounties.token(token)) === null)
    throw new AttuneError('invalid', `there is no token at ${given} on this chain`, { path: 'token' })
  if ((await treasury.holds(token)) < amount)
    throw new AttuneError('conflict', `the treasury ${treasury.address} holds less than that: fill it up first`, {
      path: 'amount',
    })
  const value = token === ZeroAddress ? amount : 0n
  const args = [sessionKey(sessionId), token, amount, BigInt(perCredit)]
  const data = distributorInterface.encodeFunctionData('fund', args) as Hex
  const fund: TreasuryCall = { what: 'fund', contract: bounties.distributor, data, value }
  if (token === ZeroAddress) return [fund]
  const allowance = tokenInterface.encodeFunctionData('approve', [bounties.distributor, amount]) as Hex
  return [{ what: 'approve', contract: token, data: allowance, value: 0n }, fund]
}

/** For a bounty that the treasury has funded. */
async function changeCall(
  deps: Deps,
  treasury: TreasurySender,
  sessionId: string,
  order: Order<'price' | 'close' | 'refund'>,
): Promise<TreasuryCall> {
  const { bounties } = paying(deps)
  const id = order.bounty as Hex
  const own = (await bountiesAt(deps.pool, bounties, sessionId)).find(
    (bounty) => bounty.id === id && bounty.sponsor === treasury.address,
  )
  if (own === undefined)
    throw new AttuneError('not-found', 'the treasury has funded no such bounty of this session', { path: 'bounty' })
  return { what: order.what, contract: bounties.distributor, data: await dataOf(deps, sessionId, id, order), value: 0n }
}

async function dataOf(
  deps: Deps,
  sessionId: string,
  id: Hex,
  order: Order<'price' | 'close' | 'refund'>,
): Promise<Hex> {
  const data = (name: string, args: readonly unknown[]) => distributorInterface.encodeFunctionData(name, args) as Hex
  switch (order.what) {
    case 'price':
      return data('setPrice', [id, BigInt(order.perCredit)])
    case 'close':
      return data('close', [id])
    case 'refund': {
      const { epochId, allocated, proof } = await refundOf(deps, sessionId, id)
      return data('refund', [id, BigInt(epochId), BigInt(allocated), proof])
    }
  }
}
