import { randomUUID } from 'node:crypto'
import type { z } from 'zod'
import type { Deps } from '../deps.ts'
import { appealableVote, countOpenAppeals, decideAppeal, insertAppeal, interestedIn } from '../../core/db/appeals.ts'
import { transaction } from '../../core/db/pool.ts'
import { lockUser } from '../../core/db/users.ts'
import { AttuneError } from '../../core/errors.ts'
import type { Caller } from '../../core/permissions.ts'
import { rewardLimits, type DecideAppeal, type FileAppeal } from '../../core/protocol/index.ts'

/**
 * Appeals the record of a vote, as its author may until the epoch that holds it is final.
 *
 * @throws AttuneError not-found, conflict, too-frequent, unavailable if the chain has to be asked and is away
 */
export async function fileAppeal(
  deps: Deps,
  caller: Caller,
  { feedbackId, ground, statement }: z.output<typeof FileAppeal>,
): Promise<{ id: string }> {
  const vote = await appealableVote(deps.pool, feedbackId, caller.userId)
  if (vote === null) throw new AttuneError('not-found', 'you have no such vote', { path: 'feedbackId' })
  if (vote.record?.confirmed === true && (await isFinal(deps, vote.record))) {
    throw new AttuneError(
      'conflict',
      `epoch ${vote.record.epochId}, which holds this vote, is final: an appeal has to come before that`,
    )
  }
  const id = randomUUID()
  await transaction(deps.pool, async (client) => {
    // One appeal of a person at a time, so that the count below is exact.
    await lockUser(client, caller.userId)
    if ((await countOpenAppeals(client, caller.userId)) >= rewardLimits.openAppeals) {
      throw new AttuneError('too-frequent', `${rewardLimits.openAppeals} of your appeals wait for a decision`, {
        retryAfter: 3600,
      })
    }
    await insertAppeal(client, { id, feedbackId, userId: caller.userId, ground, statement })
  })
  return { id }
}

/**
 * Decides an appeal, once. Whoever has something to gain from it may not decide it.
 *
 * @throws AttuneError not-found, forbidden, conflict
 */
export async function decide(
  deps: Deps,
  caller: Caller,
  id: string,
  { outcome, reason }: z.output<typeof DecideAppeal>,
): Promise<{ id: string }> {
  const interested = await interestedIn(deps.pool, id)
  if (interested === null) throw new AttuneError('not-found', 'there is no such appeal, or its vote was erased')
  if (caller.userId === interested.authorId)
    throw new AttuneError('forbidden', 'this is your own vote: another validator has to decide')
  if (caller.userId === interested.ownerId)
    throw new AttuneError('forbidden', 'this is your own run: another validator has to decide')
  const decided = await transaction(deps.pool, (client) =>
    decideAppeal(client, { id, outcome, reason, decidedBy: caller.userId }),
  )
  if (!decided) throw new AttuneError('conflict', 'this appeal was decided before')
  return { id }
}

/** For a ledger that this installation no longer uses, every epoch is. */
async function isFinal(
  { chain }: Deps,
  { chainId, ledger, epochId }: { chainId: number; ledger: string; epochId: number },
): Promise<boolean> {
  if (chain === null || chain.chainId !== chainId || chain.ledger !== ledger) return true
  return (await chain.epochStatus(epochId)) === 'final'
}
