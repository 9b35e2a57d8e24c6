import { isExcluded } from './exclusions.ts'
import type { Db } from './pool.ts'
import { limits } from '../protocol/index.ts'
import type { AgreementVote } from '../votes/agreement/category.ts'

/**
 * The latest votes of a session that say how far people agree, oldest first: standing ones on its answers, of raters who
 * are not excluded. Late ones are left out, whose authors could know what the others gave.
 */
export async function latestVotesOf(db: Db, sessionId: string, limit: number): Promise<AgreementVote[]> {
  const { rows } = await db.query<AgreementVote>(
    `select f.user_id as "raterId", f.sample_id as "sampleId", f.value, f.human_rating as rating, f.categories,
            f.compassion_rating as compassion, s.origin, coalesce(s.asked_by = f.user_id, false) as "ownQuestion",
            f.late, (extract(epoch from f.created_at) * 1000)::float8 as at, encode(f.source, 'hex') as source
     from feedback f join samples s on s.id = f.sample_id
     where f.session_id = $1 and f.withdrawn_at is null and not f.late and not ${isExcluded('f')}
     order by f.seq desc limit $2`,
    [sessionId, limit],
  )
  return rows.reverse()
}

/** Those of these samples of which a reader may know the crowd's view (rule V3), with their texts. */
export async function openTo(
  db: Db,
  readerId: string,
  ids: readonly string[],
): Promise<Map<string, { prompt: string; response: string }>> {
  const { rows } = await db.query<{ id: string; prompt: string; response: string }>(
    `select s.id, s.prompt, s.response from samples s
     where s.id = any($1::uuid[]) and (
       exists (select from feedback f where f.sample_id = s.id and f.user_id = $2 and f.withdrawn_at is null)
       or s.status = 'closed' and not exists (
         select from vote_begun b where b.sample_id = s.id and b.user_id = $2
           and b.begun_at > clock_timestamp() - make_interval(secs => $3::float8 / 1000)))`,
    [ids, readerId, limits.voteBegunMs],
  )
  return new Map(rows.map(({ id, ...text }) => [id, text]))
}
