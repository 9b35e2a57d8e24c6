/** A run's evaluations: what the live loop calls after a step. */
import type { NewEvaluation } from '../../core/db/evaluations.ts'
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
 * @param behind the evaluations of the steps that led there, oldest first (`World.evaluations`)
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
