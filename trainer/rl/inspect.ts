import { Graph, concat, div, gather, maximum, mul, reduceSum, reshape } from '../graph/index.ts'
import type { Engine, Program } from '../engines/engine.ts'
import type { Gpt2Config } from '../models/config.ts'
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
export function openInspector(engine: Engine, config: Gpt2Config, temperature: number, rows: number, pause: () => Promise<void>): Inspector {
  const programs = new Map<string, Promise<{ policy: Program; reference: Program }>>()

  const programsFor = (shape: BatchShape) => {
    const key = `${shape.length}/${shape.responses}`
    const known = programs.get(key)
    if (known) return known
    const compiled = compile(engine, config, shape, temperature)
    programs.set(key, compiled)
    return compiled
  }

  async function* batches(rollouts: readonly Rollout[], which: 'policy' | 'reference') {
    if (rollouts.length === 0) return
    const shape = shapeOf(rollouts, rows, config.context)
    const program = (await programsFor(shape))[which]
    for (let start = 0; start < rollouts.length; start += rows) {
      const part = rollouts.slice(start, start + rows)
      const layout = layOut(part, shape)
      const outputs = await program.run({ ...policyFeeds(layout, shape), targets: layout.targets, last: layout.last, responseMask: layout.responseMask })
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
        const features = outputs.float32('features')
        const width = 2 * config.width
        lengths.forEach((_, i) => views.push({ logprobs: logprobs[i], features: features.slice(i * width, (i + 1) * width) }))
      }
      return views
    },
    async close() {
      for (const compiled of programs.values()) await (await compiled).policy.dispose()
      programs.clear()
    },
  }
}

async function compile(engine: Engine, config: Gpt2Config, shape: BatchShape, temperature: number) {
  const { rows, responses } = shape
  const graph = new Graph()
  const { hidden, sources, logits, logprobs } = policyGraph(graph, config, shape, temperature)
  graph.output('logprobs', logprobs)
  graph.output('values', valueGraph(graph, config, sources, shape))
  graph.output('entropies', entropyGraph(logits, shape))

  const mask = graph.input('responseMask', [rows, responses])
  const states = reshape(gather(hidden, graph.input('targets', [rows * responses], 'int32')), [rows, responses, config.width]) // [B·T, C] -> [B, R, C]
  const counts = reduceSum(mask, [1], true) // [B, 1]
  const mean = div(reduceSum(mul(states, reshape(mask, [rows, responses, 1])), [1]), maximum(counts, 1)) // -> [B, C]
  const last = gather(hidden, graph.input('last', [rows], 'int32')) // [B·T, C] -> [B, C]
  graph.output('features', concat([mean, last], 1)) // [B, 2C]
  const policy = await engine.compile(graph)
  const reference = policy.withStates((name) => (name.startsWith(POLICY) ? REFERENCE + name.slice(POLICY.length) : name))
  return { policy, reference }
}
