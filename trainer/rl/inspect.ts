import { Graph, gather, reshape } from '../graph/index.ts'
import type { Engine, Program } from '../engines/engine.ts'
import type { Architecture } from '../models/architecture.ts'
import { layOut, shapeOf, unpadRows, type BatchShape } from './layout.ts'
import { POLICY, REFERENCE, entropyGraph, policyFeeds, policyGraph, valueGraph } from './policy.ts'
import type { ReferenceView, Rollout } from './rollout.ts'

/** What the current policy says of a rollout, one entry per response token. */
export interface PolicyView {
  values: Float32Array
  /** Nats. */
  entropies: Float32Array
  logprobs: Float32Array
}

/** Forward passes over rollouts, in batches of `rows`; awaits between batches. */
export interface Inspector {
  policy(rollouts: readonly Rollout[]): Promise<PolicyView[]>
  reference(rollouts: readonly Rollout[]): Promise<ReferenceView[]>
  close(): Promise<void>
}

/**
 * One graph serves both the policy and the reference: the same arithmetic under other state names,
 * so that at the start of a run their log-probabilities agree to the bit.
 */
export function openInspector(engine: Engine, architecture: Architecture, temperature: number, rows: number, pause: () => Promise<void>): Inspector {
  const programs = new Map<string, Promise<{ policy: Program; reference: Program }>>()

  const programsFor = (shape: BatchShape) => {
    const key = `${shape.length}/${shape.responses}`
    const known = programs.get(key)
    if (known) return known
    const compiled = compile(engine, architecture, shape, temperature)
    programs.set(key, compiled)
    return compiled
  }

  async function* batches(rollouts: readonly Rollout[], which: 'policy' | 'reference') {
    if (rollouts.length === 0) return
    const shape = shapeOf(rollouts, rows, architecture.context)
    const program = (await programsFor(shape))[which]
    for (let start = 0; start < rollouts.length; start += rows) {
      const part = rollouts.slice(start, start + rows)
      const layout = layOut(part, shape)
      const outputs = await program.run({ ...policyFeeds(layout, shape), targets: layout.targets, last: layout.last })
      const lengths = part.map((r) => r.responseIds.length)
      yield { shape, lengths, outputs }
      await pause()
    }
  }

  return {
    async policy(rollouts) {
      const views: PolicyView[] = []
      for await (const { shape, lengths, outputs } of batches(rollouts, 'policy')) {
        const [values, entropies, logprobs] = ['values', 'entropies', 'logprobs'].map((name) => unpadRows(outputs.float32(name), lengths, shape))
        lengths.forEach((_, i) => views.push({ values: values[i], entropies: entropies[i], logprobs: logprobs[i] }))
      }
      return views
    },
    async reference(rollouts) {
      const views: ReferenceView[] = []
      for await (const { shape, lengths, outputs } of batches(rollouts, 'reference')) {
        const logprobs = unpadRows(outputs.float32('logprobs'), lengths, shape)
        const { width } = architecture
        const states = outputs.float32('states') // [B, R, C]
        const last = outputs.float32('last') // [B, C]
        lengths.forEach((count, i) => {
          const from = i * shape.responses * width
          const prefixes = runningMeans(states.subarray(from, from + count * width), width)
          const features = new Float32Array(2 * width)
          features.set(prefixes.subarray((count - 1) * width))
          features.set(last.subarray(i * width, (i + 1) * width), width)
          views.push({ logprobs: logprobs[i], features, prefixes })
        })
      }
      return views
    },
    async close() {
      for (const compiled of programs.values()) await (await compiled).policy.dispose()
      programs.clear()
    },
  }
}

async function compile(engine: Engine, architecture: Architecture, shape: BatchShape, temperature: number) {
  const { rows, responses } = shape
  const graph = new Graph()
  const { residual, hidden, sources, logits, logprobs } = policyGraph(graph, architecture, shape, temperature)
  graph.output('logprobs', logprobs)
  graph.output('values', valueGraph(graph, architecture, sources, shape))
  graph.output('entropies', entropyGraph(logits, shape))

  const states = gather(residual, graph.input('targets', [rows * responses], 'int32')) // [B·T, C] -> [B·R, C]
  graph.output('states', reshape(states, [rows, responses, architecture.width]))
  graph.output('last', gather(hidden, graph.input('last', [rows], 'int32'))) // [B·T, C] -> [B, C]
  const policy = await engine.compile(graph)
  const reference = policy.withStates((name) => (name.startsWith(POLICY) ? REFERENCE + name.slice(POLICY.length) : name))
  return { policy, reference }
}

/** Row t becomes the mean of rows 0…t: [T, C] -> [T, C]. */
function runningMeans(states: Float32Array, width: number): Float32Array {
  const sums = new Float64Array(width)
  return Float32Array.from(states, (x, i) => {
    const c = i % width
    sums[c] += x
    return sums[c] / (Math.floor(i / width) + 1)
  })
}
