/** The learner's state outside the engine: for checkpoints, and to roll back an aborted update. */
import type { Engine } from '../../lm/engines/engine.ts'
import { lossScaleStates, type Shape } from '../../lm/graph/index.ts'
import { startLossScale } from '../../lm/training/optimizer-step.ts'
import { toHeld, toStored } from '../../lm/architectures/projection-layout.ts'
import { momentStates, POLICY, REFERENCE, type HeldPolicy } from './policy.ts'

export interface LearnerState {
  /**
   * What is trained (policy, value head), both Adam moments and, in float16, the loss's scale, by state name, laid out
   * as in a model's file. The reference is the run's base model and is not included.
   */
  arrays: Map<string, Float32Array>
  json: LearnerCounters
}

export interface LearnerCounters {
  /** Updates done. */
  version: number
  klCoefficient: number
  optimizerSteps: number
  seed: number
}

export async function exportStates(engine: Engine, policy: HeldPolicy, json: LearnerCounters): Promise<LearnerState> {
  const arrays = new Map<string, Float32Array>()
  for (const name of changingStates(engine, policy).keys())
    arrays.set(name, laidOut(policy, name, await engine.states.get(name), toStored))
  return { arrays, json }
}

/**
 * Either precision resumes from the other's state, since an operator may change it between two starts: float16
 * initialises the loss scale if none was saved, and float32 needs none.
 *
 * @throws Error for an array that the policy does not have, or lacks.
 */
export function importStates(engine: Engine, policy: HeldPolicy, { arrays }: LearnerState): void {
  const known = changingStates(engine, policy)
  for (const name of arrays.keys())
    if (!known.has(name) && !lossScaleStates.has(name))
      throw new Error(`the saved state has ${name}, which this policy does not have`)
  if (engine.precision === 'float16') startLossScale(engine.states)
  for (const [name, shape] of known) {
    const data = arrays.get(name)
    if (data) engine.states.set(name, shape, asHeld(policy, name, data))
    else if (!lossScaleStates.has(name)) throw new Error(`the saved state lacks ${name}`)
  }
}

/** The name under which a state is saved while an update may still be rolled back. */
export const remembered = (name: string): string => `before/${name}`

/** Saves the trained states on the device while `unlessAborted` runs; restores them if it throws. */
export function rollback(engine: Engine, policy: HeldPolicy, optimizer: { steps: number }) {
  const { states } = engine
  const stepsBefore = optimizer.steps
  const names = [...changingStates(engine, policy).keys()]
  return {
    async unlessAborted<T>(work: () => Promise<T>): Promise<T> {
      for (const name of names) states.copy(name, remembered(name))
      try {
        return await work()
      } catch (error) {
        for (const name of names) states.copy(remembered(name), name)
        optimizer.steps = stepsBefore
        throw error
      } finally {
        for (const name of names) states.delete(remembered(name))
      }
    },
  }
}

/** A saved state's values as an engine holds them; the base's, under the reference's names, too. */
export const asHeld = (policy: HeldPolicy, state: string, saved: Float32Array): Float32Array =>
  laidOut(policy, state, saved, toHeld)

/** A parameter's values or moments in the other layout; other states have only one layout. */
function laidOut(
  { model: { architecture } }: HeldPolicy,
  state: string,
  data: Float32Array,
  to: typeof toHeld,
): Float32Array {
  const prefix = state.startsWith(REFERENCE) ? REFERENCE : POLICY
  const name = state.slice(state.indexOf(prefix) + prefix.length)
  return architecture.parameters.has(name) ? to(architecture, name, data) : data
}

/** Every state that an update changes, with its shape. */
function changingStates({ precision }: Engine, { trained }: HeldPolicy): Map<string, Shape> {
  const scale = precision === 'float16' ? [...lossScaleStates.keys()].map((name): [string, Shape] => [name, []]) : []
  return new Map([...trained, ...momentStates(trained), ...scale])
}
