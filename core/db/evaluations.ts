import type { Db } from './pool.ts'
import { AttuneError } from '../errors.ts'
import { limits, type Evaluation, type EvaluationAnswer } from '../protocol/index.ts'

/** An evaluation as its run makes it. */
export type NewEvaluation = Omit<Evaluation, 'timestamp' | 'setAside'> & { answers: readonly EvaluationAnswer[] }

/** Stores an evaluation; that of a step which is made again replaces the former. */
export async function keepEvaluation(db: Db, evaluation: NewEvaluation): Promise<Evaluation> {
  const { rows } = await db.query<Row>(
    `insert into evaluations (session_id, step, policy_version, metrics, heads, against, regressed, shows, answers)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     on conflict (session_id, step) do update set policy_version = excluded.policy_version, metrics = excluded.metrics,
       heads = excluded.heads, against = excluded.against, regressed = excluded.regressed, shows = excluded.shows,
       answers = excluded.answers, created_at = excluded.created_at
     returning *, false as set_aside`,
    [
      evaluation.sessionId,
      evaluation.step,
      evaluation.policyVersion,
      evaluation.metrics,
      evaluation.heads,
      evaluation.against,
      evaluation.regressed,
      evaluation.shows,
      JSON.stringify(evaluation.answers.slice(0, limits.evaluationPrompts).map(bounded)),
    ],
  )
  return toEvaluation(rows[0]!)
}

/** Not in the middle of a surrogate pair, which no text of Postgres can hold. */
const cut = (text: string): string => text.slice(0, limits.evaluationAnswerChars).replace(/[\ud800-\udbff]$/, '')

const bounded = ({ prompt, answer, value, reference }: EvaluationAnswer): EvaluationAnswer => ({
  prompt: cut(prompt),
  answer: cut(answer),
  value,
  reference: reference && { ...reference, answer: cut(reference.answer) },
})

/** `set_aside` of evaluation `e`'s step; step 0 never is. */
const setAside = `coalesce((select s.set_aside from steps s where s.session_id = e.session_id and s.step = e.step), false)`
const columns = `e.session_id, e.step, e.policy_version, e.metrics, e.heads, e.against, e.regressed, e.shows, e.created_at,
  ${setAside} as set_aside`

/** The latest `limit` evaluations of a session, oldest first. */
export async function listEvaluations(db: Db, sessionId: string, limit: number): Promise<Evaluation[]> {
  const { rows } = await db.query<Row>(
    `select ${columns} from evaluations e where e.session_id = $1 order by e.step desc limit $2`,
    [sessionId, limit],
  )
  return rows.reverse().map(toEvaluation)
}

/**
 * What the run's gate decides by, oldest first: of the steps that led to its weights, the last evaluation that did not
 * regress and those after it. The weights that a branch began with count as good.
 */
export async function evaluationsBehind(db: Db, sessionId: string): Promise<Pick<Evaluation, 'step' | 'against'>[]> {
  const { rows } = await db.query<Pick<Evaluation, 'step' | 'against'>>(
    `with behind as (
       select from_step as step, null::jsonb as against, false as regressed from branches where session_id = $1
       union all
       select e.step, e.against, e.regressed from evaluations e where e.session_id = $1 and not ${setAside})
     select step, against from behind
     where step >= coalesce((select max(step) from behind where not regressed), 0) order by step`,
    [sessionId],
  )
  return rows
}

/** What was answered in the evaluation after a step. @throws AttuneError not-found */
export async function evaluationAnswers(db: Db, sessionId: string, step: number): Promise<EvaluationAnswer[]> {
  const { rows } = await db.query<{ answers: EvaluationAnswer[] }>(
    'select answers from evaluations where session_id = $1 and step = $2',
    [sessionId, step],
  )
  const [found] = rows
  if (found === undefined) throw new AttuneError('not-found', `${sessionId} was not evaluated after step ${step}`)
  return found.answers
}

interface Row {
  session_id: string
  step: number
  policy_version: number
  metrics: Evaluation['metrics']
  heads: Evaluation['heads']
  against: Evaluation['against']
  regressed: boolean
  shows: number
  set_aside: boolean
  created_at: Date
}

const toEvaluation = (row: Row): Evaluation => ({
  sessionId: row.session_id,
  step: row.step,
  policyVersion: row.policy_version,
  metrics: row.metrics,
  heads: row.heads,
  against: row.against,
  regressed: row.regressed,
  shows: row.shows,
  setAside: row.set_aside,
  timestamp: row.created_at.toISOString(),
})
