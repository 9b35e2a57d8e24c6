import { publish, type Deps } from '../deps.ts'
import { insertDecision } from '../../core/db/decisions.ts'
import { endExclusion, exclusionOf, exclusionsOf, insertExclusion } from '../../core/db/exclusions.ts'
import { castVotesOf, ratersOf } from '../../core/db/raters.ts'
import { transaction } from '../../core/db/pool.ts'
import { textsOf } from '../../core/db/samples.ts'
import type { SessionBasics } from '../../core/db/sessions.ts'
import { findUser } from '../../core/db/users.ts'
import { AttuneError } from '../../core/errors.ts'
import { weigh, type CastVote, type Weighed } from '../../core/votes/weights.ts'
import type { Caller } from '../../core/permissions.ts'
import { RewardModelConfig, type Rater, type Taste } from '../../core/protocol/index.ts'
import { steered } from './admittance.ts'

/**
 * Who votes in a session, and what their votes weigh: as the next step would compute it, the heaviest
 * first. Its owner may ask, and an administrator.
 *
 * @throws AttuneError not-found, forbidden
 */
export async function listRaters(deps: Deps, caller: Caller, sessionId: string): Promise<Rater[]> {
  const session = await steered(deps.pool, caller, sessionId)
  const [people, exclusions] = await Promise.all([ratersOf(deps.pool, sessionId), exclusionsOf(deps.pool, sessionId)])
  const { votes, weighed } = await heard(deps, session, sessionId, exclusions)
  const { standing, inFit } = weighed
  const weights = new Map<string, number>()
  votes.forEach(({ raterId }, i) => weights.set(raterId, (weights.get(raterId) ?? 0) + inFit[i]!))
  const total = inFit.reduce((sum, w) => sum + w, 0)
  const excluded = new Map(exclusions.map(({ userId, ...rest }) => [userId, rest]))
  return people
    .map(({ lastVoteAt, ...person }): Rater => {
      const { reliability, comparable, known, taste, opposes } = standing(person.userId)
      const exclusion = excluded.get(person.userId)
      return {
        ...person,
        lastVoteAt: lastVoteAt.toISOString(),
        reliability,
        comparable,
        known,
        taste,
        opposes,
        share: total === 0 ? 0 : (weights.get(person.userId) ?? 0) / total,
        excluded:
          exclusion === undefined
            ? null
            : { reason: exclusion.reason, by: exclusion.by, at: exclusion.at.toISOString() },
      }
    })
    .sort((a, b) => b.share - a.share || b.votes - a.votes)
}

/**
 * What people in a session like, as far as their votes tell: the largest taste first. Its owner may ask, and an
 * administrator.
 *
 * @throws AttuneError not-found, forbidden
 */
export async function listTastes(deps: Deps, caller: Caller, sessionId: string): Promise<Taste[]> {
  const session = await steered(deps.pool, caller, sessionId)
  const { weighed } = await heard(deps, session, sessionId, await exclusionsOf(deps.pool, sessionId))
  const texts = await textsOf(
    deps.pool,
    weighed.tastes.flatMap(({ dividing }) => dividing),
  )
  return weighed.tastes.map(({ dividing, ...taste }) => ({
    ...taste,
    dividing: dividing.flatMap((sampleId) => {
      const text = texts.get(sampleId)
      return text === undefined ? [] : [{ sampleId, ...text }]
    }),
  }))
}

/**
 * Excludes somebody from a session: from the next step on their votes there weigh nothing, and they can cast
 * no more. Nothing is deleted, and receipts stand. The session's owner may, and an administrator.
 *
 * @throws AttuneError not-found, forbidden, conflict if they are already excluded
 */
export async function excludeRater(
  deps: Deps,
  caller: Caller,
  exclusion: { sessionId: string; userId: string; reason: string },
): Promise<void> {
  const { sessionId, userId, reason } = exclusion
  await steered(deps.pool, caller, sessionId)
  if ((await findUser(deps.pool, userId)) === null)
    throw new AttuneError('not-found', 'there is nobody of this id', { path: 'userId' })
  const decided = { ...exclusion, by: caller.userId }
  await transaction(deps.pool, async (client) => {
    await insertExclusion(client, decided)
    await insertDecision(client, { ...decided, what: 'exclude' })
  })
  publish(deps, sessionId, { event: 'exclusion', payload: { sessionId, userId, excluded: true, reason } })
}

/** Lets somebody vote again, and their earlier votes count again. @throws AttuneError not-found, forbidden, conflict */
export async function readmitRater(
  deps: Deps,
  caller: Caller,
  { sessionId, userId }: { sessionId: string; userId: string },
): Promise<void> {
  await steered(deps.pool, caller, sessionId)
  const decided = { sessionId, userId, by: caller.userId }
  await transaction(deps.pool, async (client) => {
    await endExclusion(client, decided)
    await insertDecision(client, { ...decided, what: 'readmit' })
  })
  publish(deps, sessionId, { event: 'exclusion', payload: { sessionId, userId, excluded: false, reason: null } })
}

/** @throws AttuneError forbidden if the caller is excluded from the session */
export async function demandAdmitted(deps: Deps, caller: Caller, sessionId: string): Promise<void> {
  const exclusion = await exclusionOf(deps.pool, sessionId, caller.userId)
  if (exclusion !== null) throw new AttuneError('forbidden', excludedSentence(exclusion.reason))
}

export const excludedSentence = (reason: string): string =>
  `You are excluded from voting in this session (${reason}). If you think that this is a mistake, write to its owner.`

/** A session's votes, and what they weigh as it listens now. */
async function heard(
  deps: Deps,
  { configuration: { rewardModel } }: SessionBasics,
  sessionId: string,
  exclusions: readonly { userId: string }[],
): Promise<{ votes: CastVote[]; weighed: Weighed }> {
  const votes = await castVotesOf(
    deps.pool,
    sessionId,
    exclusions.map(({ userId }) => userId),
  )
  // Sessions that are older than these settings listen by default.
  const { tastes, acceptOpposition, voteHalfLife: halfLife } = RewardModelConfig.parse(rewardModel)
  return { votes, weighed: weigh(votes, { tastes, acceptOpposition, halfLife }) }
}
