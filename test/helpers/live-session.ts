/** A session in a real database, and somebody who votes in it: what tests of the trainer share. */
import { createHash, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import type { Pool } from '../../core/db/pool.ts'
import { TrainingConfig, type TrainingConfigInput } from '../../core/protocol/index.ts'
import type { Precision } from '../../lm/engines/engine.ts'
import { trainSession, type End, type SessionDeps } from '../../trainer/loop/session.ts'

/** Adds an active session of the demo model, and whoever owns it and votes; returns both ids. */
export async function addSession(
  pool: Pool,
  configuration: TrainingConfigInput,
  sessionId = `run-${randomUUID()}`,
): Promise<{ sessionId: string; raterId: string }> {
  await pool.query(
    `insert into models (id, name, type, architecture, checkpoint_path) values ('demo', 'demo', 'nlp', 'gpt2', 'demo') on conflict do nothing`,
  )
  const { rows } = await pool.query<{ id: string }>(
    `insert into users (username, role) values ($1, 'contributor') returning id`,
    [randomUUID()],
  )
  const config = TrainingConfig.parse(configuration)
  await pool.query(
    `insert into sessions (id, title, model_id, user_id, status, configuration, total_steps) values ($1, $1, 'demo', $2, 'active', $3, $4)`,
    [sessionId, rows[0]!.id, config, config.epochs],
  )
  return { sessionId, raterId: rows[0]!.id }
}

/** Trains a session on models in `dir` until it ends, with its runs there, too. */
export async function trainIn(
  dir: string,
  {
    precision = 'float32',
    ...deps
  }: Pick<SessionDeps, 'sessionId' | 'pool' | 'redis' | 'undoBytes'> & { precision?: Precision },
): Promise<End> {
  const config = {
    modelsPath: dir,
    checkpointsPath: join(dir, 'runs'),
    compute: { engine: 'onnx', device: 'cpu', precision } as const,
  }
  for (;;) {
    const end = await trainSession({ ...deps, config, log: pino({ level: 'silent' }) })
    // Postgres takes a moment to give back the lock of the life before.
    if (end !== 'held-elsewhere') return end
    await sleep(20)
  }
}

/**
 * Stores a vote that was cast `ageMs` ago; its id follows from its sample and rater. `taste` in [0, 1] is all that it
 * says.
 */
export async function storeVote(
  pool: Pool,
  { sampleId, raterId, ageMs, taste = 0.7 }: { sampleId: string; raterId: string; ageMs: number; taste?: number },
): Promise<string> {
  const hash = createHash('sha256').update(`${sampleId}/${raterId}`).digest('hex')
  const id = `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`
  await pool.query(
    `insert into feedback (id, session_id, sample_id, user_id, input_text, model_response, human_rating, compassion_rating, quality, value, salt, created_at)
     select $1, s.session_id, s.id, $2, s.prompt, s.response, $3, $4, $4, $4, $5, clock_timestamp() - make_interval(secs => $6::float8 / 1000)
     from samples s where s.id = $7`,
    [id, raterId, 1 + 9 * taste, taste, Buffer.alloc(32, 1), ageMs, sampleId],
  )
  return id
}

/** A rater who votes on answers as they come, by their letters, long enough ago to count at once. */
export interface Voter {
  /** Once this step is made they vote no more. */
  lastStep: number
  stop(): Promise<void>
}

/** @param perStep votes that they cast before each step */
export function startVoter(
  pool: Pool,
  { sessionId, raterId }: { sessionId: string; raterId: string },
  lastStep: number,
  perStep = 4,
): Voter {
  let stopped = false
  const voter = { lastStep, stop: async () => void ((stopped = true), await voting) }
  const vote = async (): Promise<void> => {
    while (!stopped) {
      const { rows } = await pool.query<{ id: string; response: string }>(
        `select s.id, s.response from samples s join sessions run on run.id = s.session_id
         where s.session_id = $1 and s.status = 'open' and run.current_step < $2
           and not exists (select from feedback where sample_id = s.id)
         order by s.opened_at, s.id
         limit greatest(0, $4 * ((select current_step from sessions where id = $1) + 1)
                           - (select count(*) from feedback where session_id = $1 and user_id = $3))`,
        [sessionId, voter.lastStep, raterId, perStep],
      )
      for (const { id, response } of rows)
        await storeVote(pool, { sampleId: id, raterId, ageMs: 60_000, taste: shareOfVowels(response) })
      await sleep(20)
    }
  }
  const voting = vote()
  return voter
}

export const shareOfVowels = (text: string): number =>
  [...text].filter((c) => 'aeiou'.includes(c)).length / Math.max(1, text.length)
