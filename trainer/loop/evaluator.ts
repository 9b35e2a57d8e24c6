/**
 * Evaluates a run's final weights every so many steps on prompts that it does not train on, and keeps the gate: where
 * it is closed, because the weights have regressed, the last good ones answer people.
 */
import { isDue } from '../evaluation/evaluate.ts'
import { gate as gateOf } from '../evaluation/gate.ts'
import { openShownWeights } from '../evaluation/shown-weights.ts'
import type { Checkpoint } from './checkpoint.ts'
import { beginEvaluating, evaluateRun } from './evaluation.ts'
import { learnerStateOf, restoreRun, type Run } from './run-state.ts'
import type { World } from './world.ts'

export interface Evaluator {
  isDue(step: number): boolean
  /** Evaluates the weights of a final step. The run is as it was afterwards. */
  evaluate(step: number, state: Checkpoint, current: Checkpoint): Promise<void>
  /** Answers people with the weights that the gate lets through. */
  answering<T>(answer: () => Promise<T>): Promise<T>
}

/** Evaluates the reference, if the run has made no step yet. */
export async function openEvaluator(run: Run, world: World): Promise<Evaluator> {
  const { every, gate } = run.config.evaluation
  const shown = openShownWeights(run.learner)
  /** The step whose weights answer; null: the current ones. */
  let held: number | null = null

  async function evaluate(step: number): Promise<void> {
    if (run.evaluation === null) return
    const behind = await world.evaluations()
    const found = await evaluateRun(run, run.evaluation, { step, behind, now: world.now, signal: world.signal })
    run.evaluation = found.state
    await world.evaluated(found.evaluation)
    if (found.warning) await world.warn({ step, ...found.warning })
    if (!gate) return
    const { shows } = found.evaluation
    if (shows === step) await shown.hold(step)
    held = shows === step ? null : shows
  }

  if (run.learner.version === 0) {
    run.evaluation = await beginEvaluating(run, world.signal)
    await evaluate(0)
  } else if (gate) {
    const behind = await world.evaluations()
    const last = behind.at(-1)
    const shows = last === undefined ? null : gateOf(behind, run.config.evaluation).shows
    const good = shows !== null && shows !== last?.step ? await world.stateOf(shows) : null
    if (shows !== null && good) {
      shown.restore(shows, learnerStateOf(good))
      held = shows
    }
  }
  return {
    isDue: (step) => run.evaluation !== null && isDue(step, every),
    async evaluate(step, state, current) {
      restoreRun(run, state)
      await evaluate(step)
      restoreRun(run, current)
    },
    answering: (answer) => (held === null ? answer() : shown.answering(held, answer)),
  }
}
