/** Runs that have gathered something, and their exports as their owner gets them. */
import { randomUUID } from 'node:crypto'
import type { Pool } from '../../core/db/pool.ts'
import { TrainingConfig, type TrainingConfigInput } from '../../core/protocol/index.ts'
import { mix, quality } from '../../core/votes/value.ts'
import type { TestServer } from './attune.ts'

export interface Gathered {
  sessionId: string
  /** Oldest first. */
  raters: string[]
  samples: string[]
  votes: string[]
}

/**
 * A session whose raters have each voted on every answer, answer by answer, a second apart. The last rater votes at
 * random; the others agree but for some noise. Prompts take turns.
 */
export async function gather(
  pool: Pool,
  ownerId: string,
  {
    raters: people,
    answers,
    prompts,
    configuration = {},
  }: { raters: number; answers: number; prompts: number; configuration?: TrainingConfigInput },
): Promise<Gathered> {
  const sessionId = `run-${randomUUID()}`
  const config = TrainingConfig.parse(configuration)
  await pool.query(
    `insert into sessions (id, title, model_id, user_id, status, configuration, total_steps) values ($1, 'A "run" of\nours', 'demo', $2, 'active', $3, $4)`,
    [sessionId, ownerId, config, config.epochs],
  )
  const raters = (
    await pool.query<{ id: string }>(
      `insert into users (username, role, guest) select $1 || n, 'contributor', true from generate_series(1, $2::int) n returning id`,
      [`${sessionId} rater `, people],
    )
  ).rows.map(({ id }) => id)
  const samples = Array.from({ length: answers }, () => randomUUID())
  await pool.query(
    `insert into samples (id, session_id, step, origin, prompt, response, policy_version, status, created_at, opened_at)
     select id, $1, 1 + n / 4, 'rollout', 'Prompt ' || n % $3::int, 'Answer ' || n, n / 4, 'closed', at, at
     from (select id, (n - 1)::int as n, timestamptz '2026-01-01' + n * interval '1 minute' as at
           from unnest($2::uuid[]) with ordinality as s (id, n)) s`,
    [sessionId, samples, prompts],
  )
  const dice = diceOf(7)
  const cast = samples.flatMap((sampleId, a) =>
    raters.map((userId, r) => {
      const truth = ((a * 37) % 100) / 100
      const noise = (dice() - 0.5) * 0.2
      const unit = r === people - 1 ? dice() : Math.min(1, Math.max(0, truth + noise))
      const rating = 1 + Math.round(9 * unit)
      const categories = [{ name: 'helpfulness', score: rating, weight: 1 }]
      const compassion = a % 3 === 0 ? null : unit
      const q = quality(rating, categories)
      return {
        ...{ id: randomUUID(), sampleId, userId, rating, categories, compassion, quality: q },
        value: mix(q, compassion, config.rewardModel.compassionWeight),
        comments: a === 0 ? `=comment of ${r}` : null,
        source: Buffer.alloc(12, 1 + (r % 3)),
      }
    }),
  )
  await pool.query(
    `insert into feedback (id, session_id, sample_id, user_id, input_text, model_response, human_rating, categories, compassion_rating, quality, value, comments, source, tags, salt, created_at)
     select v.id, $1, s.id, v.user_id, s.prompt, s.response, v.rating, v.categories, v.compassion, v.quality, v.value, v.comments, v.source, '{kind}', $11,
            timestamptz '2026-01-01 00:01:00.000123' + v.n * interval '1 second'
     from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::float8[], $6::jsonb[], $7::float8[], $8::float8[], $9::float8[], $10::text[], $12::bytea[])
       with ordinality as v (id, sample_id, user_id, rating, categories, compassion, quality, value, comments, source, n)
       join samples s on s.id = v.sample_id order by v.n`,
    [
      sessionId,
      cast.map((vote) => vote.id),
      cast.map((vote) => vote.sampleId),
      cast.map((vote) => vote.userId),
      cast.map((vote) => vote.rating),
      cast.map((vote) => JSON.stringify(vote.categories)),
      cast.map((vote) => vote.compassion),
      cast.map((vote) => vote.quality),
      cast.map((vote) => vote.value),
      cast.map((vote) => vote.comments),
      Buffer.alloc(32, 1),
      cast.map((vote) => vote.source),
    ],
  )
  return { sessionId, raters, samples, votes: cast.map(({ id }) => id) }
}

/** Numbers in [0, 1), the same ones for a seed. */
function diceOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
}

/** A table of a session, as a query asks for it; each from an address of its own, behind a proxy that is trusted. */
export const fetchExport = (
  server: TestServer,
  token: string,
  sessionId: string,
  query: string,
  options: RequestInit = {},
): Promise<Response> =>
  fetch(`${server.url}/api/training/${sessionId}/export/${query}`, {
    ...options,
    headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': `10.0.${addresses >> 8}.${addresses++ & 255}` },
  })
let addresses = 0

/** Its rows. */
export async function rowsOf<T>(server: TestServer, token: string, sessionId: string, query: string): Promise<T[]> {
  const response = await fetchExport(server, token, sessionId, query)
  const body = await response.text()
  if (response.status !== 200) throw new Error(`${query}: ${response.status} ${body}`)
  return linesOf(body).map((line) => JSON.parse(line) as T)
}

export const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '')
