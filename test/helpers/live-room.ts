/** A real run behind a real server, and people who vote in it over sockets. */
import { createHash, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Receipt, SignedIn, TrainingConfigInput } from '../../core/protocol/index.ts'
import type { Pool } from '../../core/db/pool.ts'
import { openRedis } from '../../core/events/log.ts'
import type { End } from '../../trainer/loop/session.ts'
import { connect, type Client, type TestServer, type World } from '../server/attune.ts'
import { addSession, trainIn } from './live-session.ts'
import { writeTinyModel } from './tiny-model.ts'

export interface LiveRoom {
  sessionId: string
  /** Whose session it is: a contributor. */
  ownerId: string
  /** The answers on which people vote until this step is made, once all of them are open to votes. */
  answersOf(step: number): Promise<{ id: string; response: string }[]>
  join(who: SignedIn): Promise<Client>
  /** Waits until a step is committed; then its answers leave, and new ones come. */
  learnt(step: number): Promise<void>
  /** Lets the votes cast so far be as old as settled ones are. */
  age(): Promise<void>
  receipts(): Promise<(Receipt & { userId: string })[]>
  /** Resolves when the run has ended. */
  ended: Promise<End>
  close(): Promise<void>
}

/** Starts a run of a tiny model; each step learns from the votes that have aged since the one before. */
export async function openLiveRoom(world: World, server: TestServer, run: TrainingConfigInput): Promise<LiveRoom> {
  const dir = await mkdtemp(join(tmpdir(), 'attune-room-'))
  await writeTinyModel(join(dir, 'demo'))
  const { pool } = world
  const { sessionId, raterId: ownerId } = await addSession(pool, {
    batchSize: 8,
    learningRate: 1e-3,
    ppoConfig: { miniBatchSize: 8, ppoEpochs: 1 },
    ...run,
    live: {
      shownPerStep: SHOWN,
      votingWindowSeconds: 3_600,
      minVotes: 1_000,
      maxNewTokens: 8,
      seed: 5,
      ...run.live,
    },
  })
  await holdVotes(pool, sessionId)
  const redis = await openRedis(world.redisUrl, () => undefined)
  const ended = trainIn(dir, { sessionId, pool, redis, undoBytes: 0 })
  const clients: Client[] = []
  const sets = new Map<number, { id: string; response: string }[]>()
  return {
    sessionId,
    ownerId,
    async answersOf(step) {
      const before = [...sets.values()].flat().map(({ id }) => id)
      for (;;) {
        const known = sets.get(step)
        if (known) return known
        const { rows } = await pool.query<{ id: string; response: string }>(
          `select id, response from samples where session_id = $1 and status = 'open' and not id = any($2::uuid[]) order by id`,
          [sessionId, before],
        )
        if (rows.length === SHOWN) sets.set(step, rows)
        else await sleep(20)
      }
    },
    async join(who) {
      const client = await connect(server, who.token)
      clients.push(client)
      const ack = await client.send('join-session', sessionId)
      if (!ack.ok) throw new Error(ack.message)
      return client
    },
    async learnt(step) {
      for (;;) {
        const { rows } = await pool.query<{ n: number; status: string }>(
          'select current_step as n, status from sessions where id = $1',
          [sessionId],
        )
        if (rows[0]!.n >= step) break
        if (rows[0]!.status === 'failed') throw new Error('the run failed')
        await sleep(20)
      }
      await pool.query(`update samples set status = 'closed' where session_id = $1 and status = 'open'`, [sessionId])
    },
    async age() {
      await pool.query(
        `update feedback set created_at = created_at - interval '61 minutes' where session_id = $1 and created_at > clock_timestamp()`,
        [sessionId],
      )
    },
    async receipts() {
      const { rows } = await pool.query<Receipt & { userId: string }>(
        `select r.feedback_id as "feedbackId", r.step, r.weight, r.reliability, r.crowd, r.comparable, f.user_id as "userId"
         from receipts r join feedback f on f.id = r.feedback_id where r.session_id = $1`,
        [sessionId],
      )
      return rows
    },
    ended,
    async close() {
      for (const client of clients) client.close()
      await pool.query(`update sessions set status = 'completed' where id = $1 and status = 'active'`, [sessionId])
      await ended
      redis.disconnect()
      await rm(dir, { recursive: true })
    },
  }
}

/** Answers that are open at a time. */
const SHOWN = 8

/** Votes in this session count only once they are let age, however long the test takes to cast them. */
async function holdVotes(pool: Pool, sessionId: string): Promise<void> {
  await pool.query(
    `create or replace function hold_vote() returns trigger language plpgsql as
     $$ begin new.created_at := new.created_at + interval '1 hour'; return new; end $$`,
  )
  await pool.query(
    `create trigger "hold ${sessionId}" before insert on feedback
     for each row when (new.session_id = '${sessionId}') execute function hold_vote()`,
  )
}

/** What an answer is worth, in [0, 1]: whatever it says, always the same. */
export const worthOf = (response: string): number => createHash('sha256').update(response).digest()[0]! / 255

/** A vote that says `taste` and nothing else, as the page sends it. */
export const voteOf = (sessionId: string, sampleId: string, taste: number) => ({
  ...{ id: randomUUID(), sessionId, sampleId, categories: [], humanRating: 1 + 9 * taste, compassionRating: taste },
})
