/** What the votes of an export weigh, and what they say of each answer: kept in the database while it is read. */
import { descent, isLearnt } from './branches.ts'
import type { Db } from './pool.ts'
import type { CastVote } from '../votes/weights.ts'

/** In the snapshot's transaction, with which they go. */
export async function openWeights(db: Db): Promise<void> {
  await db.query(
    `create temporary table export_weights (
       seq bigint primary key, weight float8 not null, says float8 not null, reliability float8 not null, taste int not null)
     on commit drop`,
  )
  await db.query(
    `create temporary table export_crowd (
       sample_id uuid primary key, votes int not null, weight float8 not null, value float8 not null, agreement float8,
       compassion float8) on commit drop`,
  )
}

export interface OrderedVote extends CastVote {
  /** Its place in the order in which votes were stored. */
  seq: number
}

/**
 * Of the next `count` standing votes after `seq`, oldest first, those that a session learns from, as `castVotesOf`
 * (raters.ts) has them: its own and those that it has inherited, without those of excluded raters. `next` is where the
 * page after begins; null: there is none.
 */
export async function castPage(
  db: Db,
  sessionId: string,
  excluded: readonly string[],
  { seq, count }: { seq: number; count: number },
): Promise<{ votes: OrderedVote[]; next: number | null }> {
  const { rows } = await db.query<OrderedVote & { counts: boolean }>(
    `with recursive ${descent('$1')},
       page as (
         select f.* from descent d cross join lateral (
           select * from feedback where session_id = d.session_id and seq > $3 and withdrawn_at is null order by seq limit $4) f
         order by f.seq limit $4)
     select f.seq, f.user_id as "raterId", coalesce(f.sample_id::text, 'text/' || f.id) as "sampleId", f.value, s.origin,
            coalesce(s.asked_by = f.user_id, false) as "ownQuestion", f.late,
            (extract(epoch from f.created_at) * 1000)::float8 as at, encode(f.source, 'hex') as source,
            coalesce(not f.user_id = any($2::uuid[]) and ${isLearnt}, false) as counts
     from page f join descent d on d.session_id = f.session_id
       left join receipts r on r.feedback_id = f.id left join samples s on s.id = f.sample_id
       left join steps used on (used.session_id, used.step) = (r.session_id, r.step)
     order by f.seq`,
    [sessionId, excluded, seq, count],
  )
  const votes = rows.filter(({ counts }) => counts)
  return { votes, next: rows.length < count ? null : rows.at(-1)!.seq }
}

export interface VoteWeight {
  seq: number
  /** In its answer's value, in [0, 1]. */
  weight: number
  /** Its value without its author's way of using the scale, in [0, 1]. */
  says: number
  /** Of its author. */
  reliability: number
  taste: number
}

export async function keepWeights(db: Db, weights: readonly VoteWeight[]): Promise<void> {
  await db.query(
    `insert into export_weights (seq, weight, says, reliability, taste)
     select * from unnest($1::bigint[], $2::float8[], $3::float8[], $4::float8[], $5::int[])`,
    [
      weights.map(({ seq }) => seq),
      weights.map(({ weight }) => weight),
      weights.map(({ says }) => says),
      weights.map(({ reliability }) => reliability),
      weights.map(({ taste }) => taste),
    ],
  )
}

/**
 * Gathers from the kept weights what the votes say of each answer: their weighted mean, and how far they agree. Only
 * votes that weigh something count, of raters who are at least so reliable, and of this taste.
 */
export async function gatherCrowd(
  db: Db,
  { minReliability, taste }: { minReliability: number | null; taste: 'largest' | 'others' | null },
): Promise<void> {
  await db.query('analyze export_weights')
  await db.query(
    `with heard as (
       select f.sample_id, w.weight, w.says, f.compassion_rating as compassion
       from export_weights w join feedback f on f.seq = w.seq
       where f.sample_id is not null and w.weight > 0 and ($1::float8 is null or w.reliability >= $1)
         and ($2::text is null or (w.taste = 0) = ($2 = 'largest'))),
     means as (select sample_id, sum(weight * says) / sum(weight) as value from heard group by sample_id)
     insert into export_crowd
     select sample_id, count(*), sum(weight), least(1, greatest(0, value)),
            case when count(*) > 1 then greatest(0, 1 - 2 * sqrt(sum(weight * (says - value) ^ 2) / sum(weight))) end,
            sum(weight * compassion) / sum(weight) filter (where compassion is not null)
     from heard join means using (sample_id) group by sample_id, value`,
    [minReliability, taste],
  )
  await db.query('analyze export_crowd')
}
