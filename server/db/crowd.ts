import type { Db } from './pool.ts'
import { RELIABILITY_PRIOR } from '../feedback/reliability.ts'
import type { CrowdValue } from '../protocol.ts'

/**
 * The running crowd value of samples: the mean of their standing votes, weighted by what the
 * trainer last found each rater's reliability in this session to be (the prior before that).
 * A common table expression `crowd (sample_id, votes, value, compassion)` over a given `votes`;
 * the session is $1.
 */
export const crowdOfVotes = `
  rho as (
    select rater.user_id, coalesce((
      select r.reliability from feedback g join receipts r on r.feedback_id = g.id
      where g.user_id = rater.user_id and g.session_id = $1 order by g.seq desc limit 1
    ), ${RELIABILITY_PRIOR.value}) as rho
    from (select distinct user_id from votes) rater
  ),
  crowd as (
    select sample_id, count(*)::int as votes,
           least(1, sum(rho * value) / nullif(sum(rho), 0)) as value,
           least(1, sum(rho * compassion_rating) / nullif(sum(rho), 0)) as compassion
    from votes join rho using (user_id) group by sample_id
  )`

/** The running crowd value of one sample. */
export async function crowdOf(db: Db, sessionId: string, sampleId: string): Promise<CrowdValue> {
  const { rows } = await db.query<CrowdValue>(
    `with votes as (select * from feedback where session_id = $1 and sample_id = $2 and withdrawn_at is null), ${crowdOfVotes}
     select votes, value, compassion from crowd`,
    [sessionId, sampleId],
  )
  return rows[0] ?? { votes: 0, value: null, compassion: null }
}
