/** How far an update moved the policy, measured on its weights. */
import type { Engine, Program } from '../../lm/engines/engine.ts'
import { add, Graph, reduceSum, sqrt, square, sub, type Tensor } from '../../lm/graph/index.ts'
import { trainedParameters } from '../../lm/architectures/architecture.ts'
import type { HeldPolicy } from './policy.ts'
import { remembered } from './state.ts'

export interface Movement {
  /**
   * Norm of the change of the policy's parameters (the adapters', if it trains some), taken as one vector. The value
   * head is excluded.
   */
  norm: number
  /** False: the update was the identity, to the precision of the weights. */
  changed: boolean
}

export interface MovementGauge {
  /** Compares the weights with those that `rollback` saved. @throws Error if they have become NaN or infinite */
  measure(): Promise<Movement>
  close(): Promise<void>
}

/** Half a unit in the last place of float32: a smaller relative change is lost to rounding. */
const ROUNDING = 2 ** -24

export function openMovementGauge(engine: Engine, { model }: HeldPolicy): MovementGauge {
  let compiled: Promise<Program> | null = null
  return {
    async measure() {
      const program = await (compiled ??= engine.compile(movementGraph(model), 'float32'))
      const outputs = await program.run({})
      const [norm, size] = [outputs.scalar('norm'), outputs.scalar('size')]
      if (!Number.isFinite(norm)) throw new Error(notFinite)
      return { norm, changed: norm > ROUNDING * size }
    },
    close: async () => (await compiled)?.dispose(),
  }
}

const notFinite =
  'The update would have left the model with weights that are infinite or NaN; it was rolled back. ' +
  'Start a new run with a lower learning rate or a smaller KL coefficient.'

function movementGraph(model: HeldPolicy['model']): Graph {
  const graph = new Graph()
  const weights = [...trainedParameters(model)].map(([name, shape]) => ({
    now: graph.state(name, shape),
    before: graph.state(remembered(name), shape),
  }))
  graph.output('norm', normOf(weights.map(({ now, before }) => sub(now, before))))
  graph.output('size', normOf(weights.map(({ before }) => before)))
  return graph
}

const normOf = (parts: readonly Tensor[]): Tensor =>
  sqrt(parts.map((part) => reduceSum(square(part))).reduce((a, b) => add(a, b)))
