/** A run's evaluations: what the live loop calls after a step. */
import type { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { evaluationsBehind, keepEvaluation, type NewEvaluation } from '../../core/db/evaluations.ts'
import type { Db } from '../../core/db/pool.ts'
import { append } from '../../core/events/log.ts'
import type { RunWarning } from '../../core/protocol/index.ts'
import { evaluate, openEvaluation } from '../evaluation/evaluate.ts'
import { gate, type Evaluated } from '../evaluation/gate.ts'
import type { EvaluationState } from '../evaluation/state.ts'
import { rewardModelConfig } from './configuration.ts'
import type { Run } from './run-state.ts'

type Evaluable = Pick<Run, 'sessionId' | 'config' | 'learner' | 'rewardModel' | 'tokenizer' | 'heldOut'>

/** Before the first evaluation; null if the run is not evaluated: by its configuration, or for want of prompts. */
export async function beginEvaluating(run: Evaluable, signal?: AbortSignal): Promise<EvaluationState | null> {
  const { every, prompts: count } = run.config.evaluation
  if (every === 0 || run.heldOut.length < 2) return null
  const { maxNewTokens } = run.config.live
  const state = await openEvaluation(run, run.heldOut, { count, maxNewTokens, ...(signal && { signal }) })
  return state.prompts.length < 2 ? null : state
}

/**
 * Evaluates a run's weights as those of `step`.
 *
 * @param behind the evaluations of the steps that led there, oldest first ({@link EvaluationLog.behind})
 */
export async function evaluateRun(
  run: Evaluable,
  state: EvaluationState,
  { step, behind, ...clock }: { step: number; behind: readonly Evaluated[]; now: () => number; signal?: AbortSignal },
): Promise<{
  state: EvaluationState
  evaluation: NewEvaluation
  warning: Pick<RunWarning, 'kind' | 'message'> | null
}> {
  const { sessionId, config } = run
  const { tolerance } = config.evaluation
  const deps = { ...run, weights: rewardModelConfig(config) }
  const { evaluation, state: next } = await evaluate(deps, state, { step, tolerance, ...clock })
  const { shows, warning } = gate([...behind.filter((one) => one.step < step), evaluation], config.evaluation)
  return {
    state: next,
    evaluation: { ...evaluation, sessionId, shows },
    warning: warning === null ? null : { kind: 'regression', message: warning },
  }
}

export interface EvaluationLog {
  behind(): Promise<Evaluated[]>
  /** Stores an evaluation and shows it to the room. */
  evaluated(evaluation: NewEvaluation): Promise<void>
}

/** A session's evaluations in Postgres and its room. */
export function openEvaluationLog({
  pool,
  redis,
  sessionId,
  log,
}: {
  pool: Db
  redis: Redis
  sessionId: string
  log: Logger
}): EvaluationLog {
  return {
    behind: () => evaluationsBehind(pool, sessionId),
    async evaluated(evaluation) {
      const payload = await keepEvaluation(pool, evaluation)
      append(redis, sessionId, { event: 'evaluation', payload }).catch((error: unknown) =>
        log.debug({ err: error }, 'room event lost'),
      )
    },
  }
}
