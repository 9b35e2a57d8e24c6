import { Graph, gather, reshape } from '../../lm/graph/index.ts'
import type { Engine, Program } from '../../lm/engines/engine.ts'
import { openLru } from '../../lm/lru.ts'
import { layOut, shapeOf, sizesOf, unpadRows, type BatchShape } from './layout.ts'
import { inGroups } from './minibatches.ts'
import { entropyGraph, policyFeeds, policyGraph, valueGraph, type HeldPolicy } from './policy.ts'
import type { ReferenceView, Rollout } from './rollout.ts'

/** The current policy's evaluation of a rollout, one entry per response token. */
export interface PolicyView {
  /** None without a value head. */
  values: Float32Array
  /** Nats. */
  entropies: Float32Array
  logprobs: Float32Array
}

/** Of the policy and of the reference together. */
const SHAPES_KEPT = 16

/** Forward passes over rollouts, in batches of `size`; awaits between batches. */
export interface Inspector {
  policy(rollouts: readonly Rollout[]): Promise<PolicyView[]>
  reference(rollouts: readonly Rollout[]): Promise<ReferenceView[]>
  close(): Promise<void>
}

export function openInspector(
  engine: Engine,
  policy: HeldPolicy,
  temperature: number,
  size: number,
  pause: () => Promise<void>,
): Inspector {
  const { architecture } = policy.model
  const graphs = { policy: policyInspection, reference: referenceInspection }
  const compiled = openLru<Program>(SHAPES_KEPT, (program) => program.dispose())

  async function* batches(rollouts: readonly Rollout[], which: 'policy' | 'reference') {
    if (rollouts.length === 0) return
    const parts = inGroups(rollouts, size)
    const shape = shapeOf(parts, size, architecture.context)
    // The reference is always float32: KL is measured against float32 samples, and the reward model's features must
    // survive a change of precision.
    const insisted = which === 'reference' ? 'float32' : undefined
    const program = await compiled.get(`${which} ${sizesOf(shape)}`, () =>
      engine.compile(graphs[which](policy, shape, temperature), insisted),
    )
    for (const part of parts) {
      const layout = layOut(part, shape)
      const outputs = await program.run({
        ...policyFeeds(layout, shape),
        ...(which === 'reference' && { targets: layout.targets, last: layout.last }),
      })
      const lengths = part.map((r) => r.responseIds.length)
      yield { shape, lengths, outputs }
      await pause()
    }
  }

  return {
    async policy(rollouts) {
      const views: PolicyView[] = []
      for await (const { shape, lengths, outputs } of batches(rollouts, 'policy')) {
        const rows = (name: string) => unpadRows(outputs.float32(name), lengths, shape)
        const [entropies, logprobs] = [rows('entropies'), rows('logprobs')]
        const values = policy.valueHead ? rows('values') : lengths.map(() => new Float32Array(0))
        lengths.forEach((_, i) => views.push({ values: values[i]!, entropies: entropies[i]!, logprobs: logprobs[i]! }))
      }
      return views
    },
    async reference(rollouts) {
      const views: ReferenceView[] = []
      for await (const { shape, lengths, outputs } of batches(rollouts, 'reference')) {
        const logprobs = unpadRows(outputs.float32('logprobs'), lengths, shape)
        const { width } = architecture
        const states = outputs.float32('states') // [N, R, C]
        const last = outputs.float32('last') // [N, C]
        lengths.forEach((count, i) => {
          const from = i * shape.responses * width
          const prefixes = runningMeans(states.subarray(from, from + count * width), width)
          const features = new Float32Array(2 * width)
          features.set(prefixes.subarray((count - 1) * width))
          features.set(last.subarray(i * width, (i + 1) * width), width)
          views.push({ logprobs: logprobs[i]!, features, prefixes })
        })
      }
      return views
    },
    close: () => compiled.close(),
  }
}

function policyInspection({ model, valueHead }: HeldPolicy, shape: BatchShape, temperature: number): Graph {
  const graph = new Graph()
  const tensors = policyGraph(graph, model, shape, temperature)
  graph.output('logprobs', tensors.logprobs)
  graph.output('entropies', entropyGraph(tensors))
  if (valueHead) graph.output('values', valueGraph(graph, model.architecture, tensors))
  return graph
}

function referenceInspection({ reference }: HeldPolicy, shape: BatchShape, temperature: number): Graph {
  const { rollouts, responses } = shape
  const graph = new Graph()
  const { residual, hidden, logprobs } = policyGraph(graph, reference, shape, temperature)
  graph.output('logprobs', logprobs)
  const states = gather(residual, graph.input('targets', [rollouts * responses], 'int32')) // [B·T, C] -> [N·R, C]
  graph.output('states', reshape(states, [rollouts, responses, reference.architecture.width]))
  graph.output('last', gather(hidden, graph.input('last', [rollouts], 'int32'))) // [B·T, C] -> [N, C]
  return graph
}

/** Row t becomes the mean of rows 0…t: [T, C] -> [T, C]. */
function runningMeans(states: Float32Array, width: number): Float32Array {
  const sums = new Float64Array(width)
  return Float32Array.from(states, (x, i) => {
    const c = i % width
    sums[c]! += x
    return sums[c]! / (Math.floor(i / width) + 1)
  })
}
