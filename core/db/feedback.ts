import { isDeepStrictEqual } from 'node:util'
import { descent, isLearnt } from './branches.ts'
import type { Db } from './pool.ts'
import { AttuneError } from '../errors.ts'
import { limits, type HumanFeedback, type ParsedVote } from '../protocol/index.ts'

/** A vote as stored: with its sample resolved, the session's weights, and its value computed. */
export interface NewVote {
  id: string
  sessionId: string
  sampleId: string | null
  userId: string
  kind: ParsedVote['kind']
  /** null for a rating. */
  content: unknown
  inputText: string
  modelResponse: string
  humanRating: number
  humanPreference: ParsedVote['humanPreference'] | null
  categories: ParsedVote['categories']
  comments: string | null
  tags: string[]
  ethicalConcerns: string[]
  compassionRating: number | null
  compassion: ParsedVote['compassion'] | null
  /** q and v, in [0, 1]. */
  quality: number
  value: number
  /** Cast after voting on its sample had closed. */
  late: boolean
  /** 32 random bytes, the salt of its leaf on the chain. */
  salt: Buffer
  /** Where it came from, as a keyed hash (server/sessions/sources.ts); null: nobody knows. */
  source: Buffer | null
}

/**
 * Stores a vote (rule V1) and returns it, with whether it had been stored before (rule V2).
 *
 * @throws AttuneError conflict if the id is another vote's, if this vote was withdrawn, or if its
 *   author has a standing vote on the sample
 */
export async function insertVote(db: Db, vote: NewVote): Promise<{ stored: HumanFeedback; duplicate: boolean }> {
  const { rows } = await db.query<Row>(
    `with stored as (
       insert into feedback (id, session_id, sample_id, user_id, input_text, model_response, human_rating, human_preference,
         categories, comments, tags, ethical_concerns, compassion_rating, compassion, quality, value, salt, late, kind, content, source)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
       on conflict do nothing returning *)
     ${select('stored')}`,
    [
      vote.id,
      vote.sessionId,
      vote.sampleId,
      vote.userId,
      vote.inputText,
      vote.modelResponse,
      vote.humanRating,
      vote.humanPreference,
      JSON.stringify(vote.categories),
      vote.comments,
      vote.tags,
      vote.ethicalConcerns,
      vote.compassionRating,
      vote.compassion === null ? null : JSON.stringify(vote.compassion),
      vote.quality,
      vote.value,
      vote.salt,
      vote.late,
      vote.kind,
      vote.content === null ? null : JSON.stringify(vote.content),
      vote.source,
    ],
  )
  const [fresh] = rows.map(toFeedback)
  if (fresh !== undefined) return { stored: fresh, duplicate: false }
  const before = await findVote(db, vote.id)
  if (before === null)
    throw new AttuneError(
      'conflict',
      'you have voted on this answer already, perhaps in another tab: withdraw that vote first',
      { path: 'sampleId' },
    )
  if (before.userId !== vote.userId || !isSame(before, vote)) {
    throw new AttuneError('conflict', 'this id belongs to another vote', { path: 'id' })
  }
  if (before.withdrawn) throw new AttuneError('conflict', 'this vote was withdrawn: send a new id', { path: 'id' })
  return { stored: before, duplicate: true }
}

/** What a vote says. Its texts are the sample's, its value follows from the rest. */
const SAID = [
  'sessionId',
  'sampleId',
  'kind',
  'content',
  'humanRating',
  'humanPreference',
  'categories',
  'comments',
  'tags',
  'ethicalConcerns',
  'compassion',
  'compassionRating',
] as const satisfies readonly (keyof HumanFeedback & keyof NewVote)[]

/** Whether a vote says the same as the stored one. */
const isSame = (stored: HumanFeedback, vote: NewVote): boolean =>
  SAID.every((field) => isDeepStrictEqual(stored[field], vote[field]))

async function findVote(db: Db, id: string): Promise<HumanFeedback | null> {
  const { rows } = await db.query<Row>(`${select('feedback')} where f.id = $1`, [id])
  return rows.map(toFeedback)[0] ?? null
}

/**
 * Withdraws a vote (rule V5); it is idempotent. Returns which sample it was on, and whether it was
 * standing until now.
 *
 * @throws AttuneError not-found if the author has no such vote, conflict if it is too late
 */
export async function withdrawVote(
  db: Db,
  id: string,
  userId: string,
): Promise<{ sessionId: string; sampleId: string | null; changed: boolean }> {
  const { rows } = await db.query<{ sessionId: string; sampleId: string | null }>(
    `update feedback set withdrawn_at = clock_timestamp()
     where id = $1 and user_id = $2 and withdrawn_at is null and created_at > clock_timestamp() - make_interval(secs => $3::float8 / 1000)
     returning session_id as "sessionId", sample_id as "sampleId"`,
    [id, userId, limits.withdrawMs],
  )
  if (rows[0] !== undefined) return { ...rows[0], changed: true }
  const vote = await findVote(db, id)
  if (vote === null || vote.userId !== userId) throw new AttuneError('not-found', 'you have no such vote')
  if (vote.withdrawn) return { sessionId: vote.sessionId, sampleId: vote.sampleId, changed: false }
  throw new AttuneError(
    'conflict',
    `a vote can be withdrawn for ${limits.withdrawMs / 1000} seconds; this one is older`,
  )
}

/** Withdraws every standing vote of an erased person, and forgets what they wrote and where from (rules S4, T3). */
export async function eraseVotes(db: Db, userId: string): Promise<void> {
  await db.query(
    `update feedback set comments = null, source = null, withdrawn_at = coalesce(withdrawn_at, clock_timestamp()),
       input_text = case when sample_id is null then '' else input_text end,
       model_response = case when sample_id is null then '' else model_response end
     where user_id = $1`,
    [userId],
  )
}

export interface VotePage {
  sessionId?: string | undefined
  /** Only this person's. */
  userId?: string | undefined
  /** Votes older than this one. */
  before?: string | undefined
  limit: number
}

/** Votes, newest first, the withdrawn ones included. */
export async function listVotes(db: Db, { sessionId, userId, before, limit }: VotePage): Promise<HumanFeedback[]> {
  const { rows } = await db.query<Row>(
    `${select('feedback')}
     where ($1::text is null or f.session_id = $1) and ($2::uuid is null or f.user_id = $2)
       and ($3::uuid is null or f.seq < (select seq from feedback where id = $3))
     order by f.seq desc limit $4`,
    [sessionId ?? null, userId ?? null, before ?? null, limit],
  )
  return rows.map(toFeedback)
}

/** The samples of a session on which a person has a standing vote, the latest `limit` of them. */
export async function votedSamples(db: Db, sessionId: string, userId: string, limit: number): Promise<string[]> {
  const { rows } = await db.query<{ sample_id: string }>(
    `select sample_id from feedback
     where session_id = $1 and user_id = $2 and sample_id is not null and withdrawn_at is null order by seq desc limit $3`,
    [sessionId, userId, limit],
  )
  return rows.map((row) => row.sample_id)
}

/** How many standing votes there are in total, and from how many people. */
export async function countVotes(db: Db): Promise<{ votes: number; raters: number }> {
  const { rows } = await db.query<{ votes: number; raters: number }>(
    'select count(*) as votes, count(distinct user_id) as raters from feedback where withdrawn_at is null',
  )
  return rows[0]!
}

/** How many standing votes that may earn a session received within the last `seconds`: those on its open answers. */
export async function votesSince(db: Db, sessionId: string, seconds: number): Promise<number> {
  const { rows } = await db.query<{ votes: number }>(
    `select count(*) as votes from feedback
     where session_id = $1 and withdrawn_at is null and sample_id is not null and not late and created_at > clock_timestamp() - make_interval(secs => $2)`,
    [sessionId, seconds],
  )
  return rows[0]!.votes
}

/**
 * How many standing votes of a session may earn and are in no epoch yet: those on texts and closed answers don't
 * earn, nor those of weight 0.
 */
export async function unrecordedVotes(db: Db, sessionId: string): Promise<number> {
  const { rows } = await db.query<{ votes: number }>(
    `select count(*) as votes from feedback f
     left join epoch_records e on e.feedback_id = f.id left join receipts r on r.feedback_id = f.id and r.final
     where f.session_id = $1 and f.withdrawn_at is null and e.feedback_id is null and f.sample_id is not null and not f.late
       and (r.feedback_id is null or r.crowd is not null and r.weight > 0 and r.updated)`,
    [sessionId],
  )
  return rows[0]!.votes
}

/** A standing vote, as a run learns from it. */
export interface SettledVote {
  id: string
  /** null: on a text that the session never produced. */
  sampleId: string | null
  /** Where the sample came from; null if there is none. */
  origin: 'rollout' | 'ask' | null
  raterId: string
  /** Whether its author asked the question. */
  ownQuestion: boolean
  /** Cast after voting on its sample had closed. */
  late: boolean
  prompt: string
  response: string
  /** 1…10. */
  rating: number
  categories: { name: string; score: number; weight: number }[]
  /** c in [0, 1]; null if the rater gave none. */
  compassion: number | null
  /** When it was stored, milliseconds since the epoch … */
  at: number
  /** … and its place in that order. */
  seq: number
  /** The step whose receipt names it: the first that learnt from it. null: none has. */
  usedIn: number | null
  /** Where its author's account came from, as a keyed hash; null: nobody knows, or no longer. */
  source: string | null
}

/** Votes younger than this may still be withdrawn, or their withdrawal may be in flight; milliseconds. */
const settleMs = limits.withdrawMs + 500
/** A vote whose number is lower than another's is visible at most this much later, milliseconds. */
const lagMs = 5_000

/** A vote `f` of a session, as a run learns from it. */
const learntVote = `
  select f.id, f.sample_id as "sampleId", s.origin, f.user_id as "raterId", f.input_text as prompt,
         coalesce(s.asked_by = f.user_id, false) as "ownQuestion", f.late,
         f.model_response as response, f.human_rating as rating, f.categories, f.compassion_rating as compassion,
         (extract(epoch from f.created_at) * 1000)::float8 as at, f.seq::float8 as seq, encode(f.source, 'hex') as source
  from feedback f left join samples s on s.id = f.sample_id`

/**
 * The latest `count` standing votes that steps up to `step` have used and the session still learns from, oldest first:
 * its own, less those first used by a step that is set aside, and those that it has inherited (branches.ts).
 */
export async function usedVotes(db: Db, sessionId: string, step: number, count: number): Promise<SettledVote[]> {
  const { rows } = await db.query<SettledVote>(
    `with recursive ${descent('$1')},
       used as (
         select f.id, r.step from descent d join feedback f on f.session_id = d.session_id
           join receipts r on r.feedback_id = f.id join steps used on (used.session_id, used.step) = (r.session_id, r.step)
         where f.withdrawn_at is null and (d.line is not null or r.step <= $2) and ${isLearnt}
         order by f.seq desc limit $3
       )
     select v.*, used.step as "usedIn" from used join lateral (${learntVote} where f.id = used.id) v on true order by v.seq desc`,
    [sessionId, step, count],
  )
  return rows.reverse()
}

/** What has happened to the votes of a session since its run last asked. */
export interface VoteNews {
  /** Standing votes that the run may not have heard of, in the order in which they were stored. */
  cast: SettledVote[]
  /** Ids of votes withdrawn or erased since. */
  withdrawn: string[]
  /** Everybody whose votes do not count at present. */
  excluded: string[]
  /** Votes stored until then can no longer be withdrawn, milliseconds since the epoch. */
  settledUntil: number
  /** Where the next question begins. */
  next: NewsCursor
}

/** Up to where a run has heard. */
export interface NewsCursor {
  /** Every vote up to this number is known. */
  seq: number
  /** When it last asked, by the database's clock, milliseconds since the epoch; null: it has not asked yet. */
  at: number | null
}

export const NO_NEWS: NewsCursor = { seq: 0, at: null }

/**
 * The votes without a receipt up to the run's step `step` and after the cursor. A vote may be told twice, and
 * none is left out.
 */
export async function voteNews(db: Db, sessionId: string, step: number, { seq, at }: NewsCursor): Promise<VoteNews> {
  const { rows: clock } = await db.query<{
    now: number
    excluded: string[]
    withdrawn: string[]
    known: number | null
  }>(
    `with recursive ${descent('$1')}
     select (extract(epoch from clock_timestamp()) * 1000)::float8 as now,
            array(select user_id from exclusions where session_id = $1 and readmitted_at is null order by user_id) as excluded,
            array(select id from feedback where session_id in (select session_id from descent) and withdrawn_at > to_timestamp(($3::float8 - ${lagMs}) / 1000)) as withdrawn,
            (select max(f.seq)::float8 from feedback f where f.session_id = $1 and f.seq > $2
               and f.created_at < clock_timestamp() - make_interval(secs => ${settleMs + lagMs}::float8 / 1000)) as known`,
    [sessionId, seq, at],
  )
  const { now, excluded, withdrawn, known } = clock[0]!
  const { rows: cast } = await db.query<SettledVote>(
    `select v.*, null as "usedIn" from (${learntVote} where f.session_id = $1 and f.seq > $2 and f.withdrawn_at is null
       and not exists (select from receipts r where r.feedback_id = f.id and r.step <= $3)) v order by v.seq`,
    [sessionId, seq, step],
  )
  return { cast, withdrawn, excluded, settledUntil: now - settleMs, next: { seq: known ?? seq, at: now } }
}

/**
 * How many votes these samples have, withdrawn ones included: in total, with these ids, and counting each person once
 * per sample.
 */
export async function countStored(
  db: Db,
  sampleIds: readonly string[],
  ids: readonly string[],
): Promise<{ all: number; known: number; people: number }> {
  const { rows } = await db.query<{ all: number; known: number; people: number }>(
    `select count(*)::int as all, count(*) filter (where id = any($2::uuid[]))::int as known,
            count(distinct (sample_id, user_id))::int as people
     from feedback where sample_id = any($1::uuid[])`,
    [sampleIds, ids],
  )
  return rows[0]!
}

const select = (from: string) => `
  select f.id, f.session_id, f.sample_id, f.user_id, f.created_at, f.input_text, f.model_response, f.human_rating, f.human_preference,
         f.categories, f.comments, f.tags, f.ethical_concerns, f.compassion_rating, f.compassion, f.value, f.withdrawn_at, f.late, f.kind, f.content,
         (e.confirmed_at is not null) as verified, e.tx_hash
  from ${from} f
  left join epoch_records r on r.feedback_id = f.id
  left join epochs e on (e.chain_id, e.ledger, e.id) = (r.chain_id, r.ledger, r.epoch_id) and e.confirmed_at is not null`

interface Row {
  id: string
  session_id: string
  sample_id: string | null
  user_id: string
  created_at: Date
  input_text: string
  model_response: string
  human_rating: number
  human_preference: HumanFeedback['humanPreference']
  categories: HumanFeedback['categories']
  comments: string | null
  tags: string[]
  ethical_concerns: string[]
  compassion_rating: number | null
  compassion: HumanFeedback['compassion']
  value: number
  withdrawn_at: Date | null
  late: boolean
  kind: HumanFeedback['kind']
  content: unknown
  verified: boolean
  tx_hash: string | null
}

const toFeedback = (row: Row): HumanFeedback => ({
  id: row.id,
  sessionId: row.session_id,
  sampleId: row.sample_id,
  userId: row.user_id,
  timestamp: row.created_at.toISOString(),
  kind: row.kind,
  content: row.content,
  inputText: row.input_text,
  modelResponse: row.model_response,
  humanRating: row.human_rating,
  humanPreference: row.human_preference,
  categories: row.categories,
  comments: row.comments,
  tags: row.tags,
  ethicalConcerns: row.ethical_concerns,
  compassionRating: row.compassion_rating,
  compassion: row.compassion,
  value: row.value,
  verified: row.verified,
  blockchainHash: row.tx_hash,
  withdrawn: row.withdrawn_at !== null,
  late: row.late,
})
