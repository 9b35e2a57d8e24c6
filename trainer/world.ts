import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { crowdOfVotes } from '../server/db/crowd.ts'
import type { Pool } from '../server/db/pool.ts'
import type { RunLock } from '../server/db/run-lock.ts'
import { commitStep, type StepCommit } from '../server/db/steps.ts'
import { limits, type CrowdValue, type RoomEvent, type SessionStatus } from '../server/protocol.ts'
import { append } from '../server/room.ts'

/**
 * What the live loop sees of the outside: the session's samples and votes in Postgres, and the room that
 * watches. The loop itself (run.ts) knows neither Postgres nor Redis.
 */
export interface World {
  /** Aborted when the run is paused, stopped or taken away; its reason is an {@link Interrupted}. */
  readonly signal: AbortSignal
  /** Milliseconds since the epoch. */
  now(): number
  sleep(ms: number): Promise<void>
  phase(phase: Phase, step: number, until?: number): void
  /** Stores a sample about to be streamed; false where it is already whole (its step is being repeated). */
  start(sample: NewSample): Promise<boolean>
  tokens(sampleId: string, offset: number, text: string): void
  /** The response is whole: votes may come. */
  ready(sampleId: string, response: string): Promise<void>
  /** When voting on these samples opened, milliseconds since the epoch. */
  openedAt(sampleIds: string[]): Promise<number>
  tally(sampleIds: string[]): Promise<Map<string, number>>
  closeVoting(sampleIds: string[]): Promise<void>
  /** How long until no vote cast before voting closed can be withdrawn any more, milliseconds. */
  settlesIn(sampleIds: string[]): Promise<number>
  /** Every standing vote of the session that can't be withdrawn any more, oldest first. */
  settledVotes(): Promise<SettledVote[]>
  /** The oldest question nobody has answered yet. */
  nextAsk(): Promise<{ sampleId: string; prompt: string } | null>
  failAsk(sampleId: string): Promise<void>
  commit(step: Omit<StepCommit, 'sessionId'>): Promise<void>
}

export type Phase = Extract<RoomEvent, { event: 'training-phase' }>['payload']['phase']

export interface NewSample {
  id: string
  step: number
  origin: 'rollout' | 'ask'
  prompt: string
  policyVersion: number
}

export interface SettledVote {
  id: string
  /** null: on a text that the session never produced. */
  sampleId: string | null
  /** Where the sample came from; null without one. */
  origin: 'rollout' | 'ask' | null
  raterId: string
  prompt: string
  response: string
  /** 1…10. */
  rating: number
  categories: { name: string; score: number; weight: number }[]
  /** c in [0, 1]. */
  compassion: number
  /** Milliseconds since the epoch. */
  at: number
  /** An earlier step's receipt names it. */
  used: boolean
}

/** Why a run ended before its last step. */
export class Interrupted extends Error {
  readonly status: Exclude<SessionStatus, 'active'> | 'taken-away'

  constructor(status: Interrupted['status']) {
    super(`the run is ${status}`)
    this.status = status
  }
}

/** Votes younger than this may still be withdrawn, or their withdrawal may be on its way; milliseconds. */
const settleMs = limits.withdrawMs + 500
/** How often the session's status is read, milliseconds: what a pause takes at most, a minibatch aside. */
const statusPollMs = 250

export interface WorldDeps {
  sessionId: string
  /** Holds the run's lock; steps are committed through it and nothing else. */
  lock: RunLock
  pool: Pool
  redis: Redis
  log: Logger
}

/** The world of one session. `close()` stops its polling; the connections stay the caller's. */
export function openWorld({ sessionId, lock, pool, redis, log }: WorldDeps): World & { close(): void } {
  const abort = new AbortController()
  const poll = setInterval(async () => {
    try {
      if (lock.lost()) abort.abort(new Interrupted('taken-away'))
      const { rows } = await pool.query<{ status: SessionStatus }>('select status from sessions where id = $1', [sessionId])
      const status = rows[0]?.status ?? 'failed'
      if (status !== 'active') abort.abort(new Interrupted(status))
    } catch (error) {
      log.warn({ err: error }, 'could not read the session status')
    }
  }, statusPollMs)

  // The room only watches: an event that can't be sent is missed there and nowhere else.
  const tell = (event: Parameters<typeof append>[2]): void => {
    append(redis, sessionId, event).catch((error: unknown) => log.debug({ err: error, event: event.event }, 'room event lost'))
  }

  return {
    signal: abort.signal,
    now: Date.now,
    sleep: (ms) => sleep(ms, abort.signal),
    phase(phase, step, until) {
      tell({
        event: 'training-phase',
        payload: { sessionId, phase, step, until: until === undefined ? null : new Date(until).toISOString() },
      })
    },
    async start(sample) {
      const { rowCount } = await pool.query(
        `insert into samples (id, session_id, step, origin, prompt, policy_version, status)
         values ($1, $2, $3, $4, $5, $6, 'streaming')
         on conflict (id) do update set status = 'streaming', step = excluded.step, policy_version = excluded.policy_version
         where samples.status in ('queued', 'streaming')`,
        [sample.id, sessionId, sample.step, sample.origin, sample.prompt, sample.policyVersion],
      )
      if (rowCount === 0) return false
      const { id: sampleId, ...rest } = sample
      tell({ event: 'sample-started', payload: { sessionId, sampleId, ...rest } })
      return true
    },
    tokens(sampleId, offset, text) {
      tell({ event: 'sample-tokens', payload: { sessionId, sampleId, offset, text } })
    },
    async ready(sampleId, response) {
      await pool.query(
        `update samples set status = 'open', response = $2, opened_at = clock_timestamp() where id = $1 and status = 'streaming'`,
        [sampleId, response],
      )
      tell({ event: 'sample-ready', payload: { sessionId, sampleId, response } })
    },
    async openedAt(sampleIds) {
      const { rows } = await pool.query<{ at: Date }>(
        'select coalesce(max(opened_at), clock_timestamp()) as at from samples where id = any($1::uuid[])',
        [sampleIds],
      )
      return rows[0].at.getTime()
    },
    async tally(sampleIds) {
      const { rows } = await pool.query<{ sample_id: string; votes: number }>(
        `select sample_id, count(*)::int as votes from feedback
         where sample_id = any($1::uuid[]) and withdrawn_at is null group by sample_id`,
        [sampleIds],
      )
      return new Map(rows.map((row) => [row.sample_id, row.votes]))
    },
    async closeVoting(sampleIds) {
      const { rows } = await pool.query<{ id: string; votes: number; value: number | null; compassion: number | null }>(
        `with closed as (
           update samples set status = 'closed', closed_at = clock_timestamp()
           where id = any($2::uuid[]) and session_id = $1 and status = 'open' returning id
         ),
         votes as (select f.* from feedback f join closed on closed.id = f.sample_id where f.withdrawn_at is null),
         ${crowdOfVotes}
         select closed.id, coalesce(crowd.votes, 0) as votes, crowd.value, crowd.compassion
         from closed left join crowd on crowd.sample_id = closed.id`,
        [sessionId, sampleIds],
      )
      for (const { id, ...crowd } of rows) {
        tell({ event: 'voting-closed', payload: { sessionId, sampleId: id, crowd: crowd satisfies CrowdValue } })
      }
    },
    async settlesIn(sampleIds) {
      const { rows } = await pool.query<{ ms: number | null }>(
        `select $2 - extract(epoch from clock_timestamp() - max(f.created_at)) * 1000 as ms
         from feedback f join samples s on s.id = f.sample_id
         where s.id = any($1::uuid[]) and f.withdrawn_at is null and f.created_at <= s.closed_at`,
        [sampleIds, settleMs],
      )
      return Math.max(0, Number(rows[0]?.ms ?? 0))
    },
    async settledVotes() {
      const { rows } = await pool.query<SettledVote>(
        `select f.id, f.sample_id as "sampleId", s.origin, f.user_id as "raterId", f.input_text as prompt,
                f.model_response as response, f.human_rating as rating, f.categories, f.compassion_rating as compassion,
                (extract(epoch from f.created_at) * 1000)::float8 as at, r.feedback_id is not null as used
         from feedback f left join receipts r on r.feedback_id = f.id left join samples s on s.id = f.sample_id
         where f.session_id = $1 and f.withdrawn_at is null
           and f.created_at <= clock_timestamp() - make_interval(secs => $2::float8 / 1000)
         order by f.seq`,
        [sessionId, settleMs],
      )
      return rows
    },
    async nextAsk() {
      const { rows } = await pool.query<{ sampleId: string; prompt: string }>(
        `select id as "sampleId", prompt from samples where session_id = $1 and status = 'queued' order by created_at limit 1`,
        [sessionId],
      )
      return rows[0] ?? null
    },
    async failAsk(sampleId) {
      await pool.query(`update samples set status = 'failed' where id = $1`, [sampleId])
    },
    async commit(step) {
      await commitStep(lock.client, { sessionId, ...step })
      const { metrics, policyVersion } = step
      const timestamp = new Date().toISOString()
      tell({
        event: 'training-progress',
        payload: { sessionId, session: sessionId, epoch: step.step, step: step.step, policyVersion, metrics, timestamp },
      })
      tell({ event: 'receipts', payload: { step: step.step } })
      tell({ event: 'feedback-processed', payload: { sessionId, step: step.step, votes: step.receipts.length } })
      tell({
        event: 'checkpoint-saved',
        payload: { sessionId, session: sessionId, epoch: step.step, checkpointPath: step.checkpoint, metrics },
      })
    },
    close: () => clearInterval(poll),
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}
