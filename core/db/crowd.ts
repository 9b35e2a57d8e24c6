import { isExcluded } from './exclusions.ts'
import type { Db } from './pool.ts'
import type { CrowdValue } from '../protocol/index.ts'

/**
 * Samples' votes taken together (compassion by those that rated it), as a room sees them, without those of excluded
 * raters; over a given `votes`. How an update used them is in the receipts.
 */
export const crowdOfVotes = `
  crowd as (
    select sample_id, count(*)::int as votes, avg(value) as value, avg(compassion_rating) as compassion from votes
    where not ${isExcluded('votes')} group by sample_id
  )`

/** The running crowd value of one sample. */
export async function crowdOf(db: Db, sampleId: string): Promise<CrowdValue> {
  const { rows } = await db.query<CrowdValue>(
    `with votes as (select * from feedback where sample_id = $1 and withdrawn_at is null), ${crowdOfVotes}
     select votes, value, compassion from crowd`,
    [sampleId],
  )
  return rows[0] ?? { votes: 0, value: null, compassion: null }
}

/** The running crowd values of several samples, by their ids. */
export async function crowdsOf(db: Db, sampleIds: readonly string[]): Promise<Map<string, CrowdValue>> {
  const { rows } = await db.query<CrowdValue & { sample_id: string }>(
    `with votes as (select * from feedback where sample_id = any($1::uuid[]) and withdrawn_at is null), ${crowdOfVotes}
     select sample_id, votes, value, compassion from crowd`,
    [sampleIds],
  )
  const counted = new Map(rows.map(({ sample_id, ...crowd }) => [sample_id, crowd]))
  return new Map(sampleIds.map((id) => [id, counted.get(id) ?? { votes: 0, value: null, compassion: null }]))
}
