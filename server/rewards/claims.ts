import { randomUUID } from 'node:crypto'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import type { z } from 'zod'
import { LedgerError } from '../../contracts/ledger/errors.ts'
import type { RewardBook } from '../../contracts/ledger/epoch/proofs.ts'
import type { BountyChain } from '../../contracts/ledger/client/bounties.ts'
import type { ChainReader, Deps } from '../deps.ts'
import { oneAtATime } from '../../core/db/advisory-lock.ts'
import { bountiesAt } from '../../core/db/bounties.ts'
import { rewardsOf } from '../../core/db/contributions.ts'
import { lastRecorded } from '../../core/db/epochs.ts'
import { transaction } from '../../core/db/pool.ts'
import { countRelayed, insertRelayed, relayedOf } from '../../core/db/relayed-claims.ts'
import { sessionTitles } from '../../core/db/sessions.ts'
import { payeeOf } from '../../core/db/users.ts'
import { finalAtOf } from '../../contracts/ledger/client/epochs.ts'
import { AttuneError } from '../../core/errors.ts'
import type { Caller } from '../../core/permissions.ts'
import { rewardLimits, type Earning, type Earnings, type RelayClaim } from '../../core/protocol/index.ts'
import { bookOf } from './reward-books.ts'

/**
 * What somebody has earned, and what of it can be claimed now. While the chain is away it returns
 * what is known without it.
 *
 * @throws AttuneError unavailable if nothing is paid here
 */
export async function earningsOf(deps: Deps, caller: Caller): Promise<Earnings> {
  const { chain, bounties } = paying(deps)
  const account = caller.walletAddress as Address | null
  const holders = [await payeeOf(deps.pool, caller.userId), ...(account === null ? [] : [account])]
  const newest = await lastRecorded(deps.pool, chain.chainId, chain.ledger)
  const book = newest === null ? null : await bookOf(deps.pool, chain, newest)
  const final = await finalBook(deps, chain)
  const ids = new Set(holders.flatMap((holder) => book?.earnedBy(holder).map(({ bounty }) => bounty) ?? []))
  const paidBy = (await bountiesAt(deps.pool, bounties)).filter(({ id }) => ids.has(id))
  const [titles, relayed] = await Promise.all([
    sessionTitles(
      deps.pool,
      paidBy.map(({ sessionId }) => sessionId),
    ),
    relayedOf(deps.pool, bounties, caller.userId),
  ])
  const earnings = paidBy.map(async ({ id, sessionId, token, symbol, decimals }): Promise<Earning> => {
    const claimed = account === null || final === 'away' ? null : await bounties.claimed(id, account)
    const sure = final === 'away' ? null : earnedIn(final, id, holders)
    const claim =
      account === null || final === 'away' ? undefined : final?.claimsOf(account).find(({ bounty }) => bounty === id)
    return {
      bounty: id,
      sessionId,
      sessionTitle: titles.get(sessionId) ?? sessionId,
      token,
      symbol,
      decimals,
      earned: String(earnedIn(book, id, holders)),
      final: sure === null ? null : String(sure),
      claimed: account === null && sure !== null ? '0' : claimed === null ? null : String(claimed),
      claim:
        claim === undefined || claimed === null || claim.amount <= claimed
          ? null
          : { ...claim, amount: String(claim.amount) },
      relayed: relayed.get(id) ?? null,
    }
  })
  const pendingEpoch = final !== 'away' && newest !== null && newest > (final?.epochId ?? 0) ? newest : null
  return {
    account,
    points: String(holders.reduce((sum, holder) => sum + (book?.pointsOf(holder) ?? 0n), 0n)),
    held: String((await rewardsOf(deps.pool, caller.userId)).held),
    finalAt: pendingEpoch === null ? null : await finalAtOfEpoch(chain, pendingEpoch),
    relayer: chain.relayer !== null,
    earnings: await Promise.all(earnings),
  }
}

/**
 * Accepts a signed claim for the relayer to send: it is stored and sent in its turn, however long
 * the chain is away or expensive, until its deadline.
 *
 * @throws AttuneError invalid, conflict, too-frequent, unavailable
 */
export async function relayClaim(
  deps: Deps,
  caller: Caller,
  request: z.output<typeof RelayClaim>,
): Promise<{ id: string }> {
  const { chain, bounties } = paying(deps)
  if (chain.relayer === null)
    throw new AttuneError('unavailable', 'no claims are relayed here: send it from your own wallet')
  const account = caller.walletAddress as Address | null
  if (account === null) throw new AttuneError('conflict', 'link a wallet first: claims are paid to it')
  const ahead = request.deadline - Date.now() / 1_000
  const { least, most } = rewardLimits.relayAheadSeconds
  if (ahead < least || ahead > most)
    throw new AttuneError('invalid', `the deadline should be ${least} to ${most} seconds from now`, {
      path: 'deadline',
    })
  const final = await finalBook(deps, chain)
  if (final === 'away') throw new AttuneError('unavailable', 'the chain does not answer; try again', { retryAfter: 10 })
  const amount = BigInt(request.amount)
  const claim = final?.claimsOf(account).find(({ bounty }) => bounty === request.bounty)
  if (claim?.amount !== amount)
    throw new AttuneError('conflict', 'this is not what the last final epoch says: look again, and sign that', {
      path: 'amount',
    })
  const recipient = request.recipient.toLowerCase() as Address
  const terms = { bounty: claim.bounty, account, amount, recipient, deadline: BigInt(request.deadline) }
  if (!(await bounties.hasSigned(terms, request.signature as Hex))) {
    throw new AttuneError('invalid', 'the signature is not of the linked wallet over this claim', { path: 'signature' })
  }
  if ((await bounties.claimed(claim.bounty, account)) >= amount)
    throw new AttuneError('conflict', 'this was paid already')
  const id = randomUUID()
  await transaction(deps.pool, async (client) => {
    // One claim at a time, so that the counts below are exact.
    await oneAtATime(client, 'attune:relayed')
    const { byUser, byAll } = await countRelayed(client, caller.userId)
    if (byUser >= rewardLimits.relayedPerDay) {
      throw new AttuneError(
        'too-frequent',
        `${rewardLimits.relayedPerDay} claims a day are relayed for one person: send it from your own wallet`,
        { retryAfter: 3_600 },
      )
    }
    if (byAll >= rewardLimits.relayedPerHour)
      throw new AttuneError('too-frequent', 'the relayer has much to do: try again in an hour', { retryAfter: 3_600 })
    await insertRelayed(client, bounties, caller.userId, {
      ...claim,
      id,
      recipient,
      deadline: request.deadline,
      signature: request.signature as Hex,
    })
  })
  return { id }
}

/** The chain, if anything is paid here. @throws AttuneError unavailable */
export function paying({ chain }: Deps): { chain: ChainReader; bounties: BountyChain } {
  if (chain?.bounties == null)
    throw new AttuneError('unavailable', 'nothing is paid on this installation: set DISTRIBUTOR_ADDRESS')
  return { chain, bounties: chain.bounties }
}

async function finalAtOfEpoch({ epochs }: ChainReader, epochId: number): Promise<string | null> {
  const [end, standing] = await Promise.all([epochs.windowEnd(epochId), epochs.standing()])
  return end === null ? null : (finalAtOf(end, standing)?.toISOString() ?? null)
}

/** The newest final epoch's; null before the first. */
async function finalBook(deps: Deps, chain: ChainReader): Promise<RewardBook | null | 'away'> {
  try {
    return await bookOf(deps.pool, chain, await chain.epochs.lastFinal())
  } catch (error) {
    if (error instanceof LedgerError && error.code === 'unreachable') return 'away'
    throw error
  }
}

const earnedIn = (book: RewardBook | null, id: string, holders: readonly Hex[]): bigint =>
  holders.reduce((sum, holder) => sum + (book?.earnedBy(holder).find(({ bounty }) => bounty === id)?.amount ?? 0n), 0n)
