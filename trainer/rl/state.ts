/** The learner's state outside the engine: for checkpoints, and to take an aborted update back. */
import type { Engine } from '../engines/engine.ts'
import { momentNames } from '../graph/index.ts'
import type { Gpt2Config } from '../models/config.ts'
import { policyParameters } from './policy.ts'

export interface LearnerState {
  /** Policy, value head and both Adam moments by state name. The reference is the run's base model and is not among them. */
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

export async function exportStates(engine: Engine, config: Gpt2Config, json: LearnerCounters): Promise<LearnerState> {
  const arrays = new Map<string, Float32Array>()
  for (const name of trainedStates(config).keys()) if (engine.states.has(name)) arrays.set(name, await engine.states.get(name))
  return { arrays, json }
}

/** @throws Error for an array that the model does not have, or lacks (moments may be missing before the first step). */
export function importStates(engine: Engine, config: Gpt2Config, { arrays }: LearnerState): void {
  const known = trainedStates(config)
  for (const name of arrays.keys()) if (!known.has(name)) throw new Error(`the saved state has ${name}, which this model has not`)
  for (const [name, shape] of known) {
    const data = arrays.get(name)
    if (data) engine.states.set(name, shape, data)
    else if (name.startsWith('adam.')) engine.states.zero(name, shape)
    else throw new Error(`the saved state lacks ${name}`)
  }
}

/** Remembers the trained states on the device until `unlessAborted` is over; puts them back where it throws. */
export function rollback(engine: Engine, config: Gpt2Config, optimizer: { steps: number }) {
  const { states } = engine
  const stepsBefore = optimizer.steps
  const names = [...trainedStates(config).keys()].filter((name) => states.has(name))
  return {
    async unlessAborted<T>(work: () => Promise<T>): Promise<T> {
      for (const name of names) states.copy(name, `before/${name}`)
      try {
        return await work()
      } catch (error) {
        for (const name of names) states.copy(`before/${name}`, name)
        for (const name of trainedStates(config).keys()) if (!names.includes(name) && states.has(name)) states.delete(name)
        optimizer.steps = stepsBefore
        throw error
      } finally {
        for (const name of names) states.delete(`before/${name}`)
      }
    },
  }
}

/** Every state that an update changes, with its shape. */
function trainedStates(config: Gpt2Config) {
  const parameters = [...policyParameters(config)]
  return new Map(parameters.flatMap(([name, shape]) => [name, ...momentNames(name)].map((state) => [state, shape] as const)))
}
