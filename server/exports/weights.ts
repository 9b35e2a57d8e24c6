import { castPage, keepWeights, openWeights, type OrderedVote } from '../../core/db/export-weights.ts'
import { exclusionsOf } from '../../core/db/exclusions.ts'
import type { Db } from '../../core/db/pool.ts'
import type { SessionBasics } from '../../core/db/sessions.ts'
import { weigh } from '../../core/votes/weights.ts'
import { limits, RewardModelConfig } from '../../core/protocol/index.ts'

/**
 * Weighs a session's votes as it listens now, and keeps in the snapshot what each weighs and says. Up to
 * `limits.exportWeighedVotes` are weighed together, as the console does it (server/sessions/raters.ts). A longer run is
 * weighed in stretches of half as many, each with the stretch before it, so that neither memory nor the time that others
 * wait grows with its length: who somebody is to the crowd follows from the votes about then, as it does in a step,
 * which reads the latest 1,500.
 */
export async function weighVotes(
  db: Db,
  sessionId: string,
  { configuration }: Pick<SessionBasics, 'configuration'>,
  signal: AbortSignal,
  together: number = limits.exportWeighedVotes,
): Promise<void> {
  // Sessions that are older than these settings listen by default.
  const { tastes, acceptOpposition } = RewardModelConfig.parse(configuration.rewardModel)
  const excluded = (await exclusionsOf(db, sessionId)).map(({ userId }) => userId)
  await openWeights(db)
  const half = Math.ceil(together / 2)
  let before: OrderedVote[] = []
  let count = 2 * half
  for (let seq: number | null = 0; seq !== null; count = half) {
    signal.throwIfAborted()
    const page = await castPage(db, sessionId, excluded, { seq, count })
    const votes = [...before, ...page.votes]
    const { onAnswer, values, standing } = weigh(votes, { tastes, acceptOpposition })
    await keepWeights(
      db,
      page.votes.map((vote, i) => {
        const { reliability, taste } = standing(vote.raterId)
        const at = before.length + i
        return { seq: vote.seq, weight: onAnswer[at]!, says: values[at]!, reliability, taste }
      }),
    )
    before = page.votes.slice(-half)
    seq = page.next
  }
}
