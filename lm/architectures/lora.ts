/**
 * Low-rank adapters (Hu et al., "LoRA", 2021): a projection `x W` becomes `x W + s x Aᵀ Bᵀ`, and A and
 * B alone are trained. W is held once, however many adapters use it: a policy with adapters and its
 * reference without them read the same states.
 *
 * 1. B begins at 0, so training begins at the base exactly. A's entries are uniform within ±1/√in:
 *    Kaiming's with gain √⅓ (He et al. 2015), as in Hugging Face's PEFT.
 * 2. The scale s is α / r; rank-stabilised, α / √r, which keeps the adapter's size from falling with the
 *    rank (Kalajdzievski 2023).
 * 3. A target is the end of a projection's name, as in PEFT: `q_proj`, or `attn.c_proj` where `c_proj`
 *    would be ambiguous. `all-linear` takes every projection of the blocks; embeddings and the language
 *    head are never adapted.
 * 4. A and B are held as PEFT stores them, [r, in] and [out, r], as W is held as [out, in].
 *
 * Left out: dropout on the adapter's input (PPO's ratio must be 1 where nothing was learnt), trained
 * biases, adapters on embeddings.
 */
import { Graph, range, reshape, type Shape } from '../graph/index.ts'
import type { StateReader, StateStore } from '../engines/engine.ts'
import { parametersOf, type AdapterPair, type Adapters, type Architecture, type HeldModel } from './architecture.ts'
import { heldShape, toStored } from './projection-layout.ts'
import { openRandom, streamSeed } from '../sampling/random.ts'

export interface LoraConfig {
  /** r. */
  rank: number
  alpha: number
  /** Ends of projections' names, or `all-linear`. */
  targets: readonly string[]
  /** Divide α by √r instead of r. */
  rankStabilised: boolean
}

export const ALL_LINEAR = 'all-linear'

/**
 * Names, under `prefix`, and shapes of the adapters of a model's projections. Throws where a target is not a
 * projection.
 */
export function adaptersOf(
  architecture: Architecture,
  { rank, alpha, targets, rankStabilised }: LoraConfig,
  prefix: string,
): Adapters {
  const pairs = new Map(
    targetedProjections(architecture, targets).map((name): [string, AdapterPair] => {
      const { input, output } = sizesOf(architecture, name)
      const state = (kind: 'A' | 'B', shape: Shape) => ({ name: `${prefix}${name}.lora_${kind}.weight`, shape })
      return [name, { a: state('A', [rank, input]), b: state('B', [output, rank]) }]
    }),
  )
  return { scale: alpha / (rankStabilised ? Math.sqrt(rank) : rank), pairs }
}

/** Initialises every adapter. */
export function initialiseAdapters(states: StateStore, { pairs }: Adapters, seed: number): void {
  ;[...pairs.values()].forEach(({ a, b }, i) => {
    const random = openRandom(streamSeed(seed, i))
    const [rank = 0, input = 0] = a.shape
    const bound = 1 / Math.sqrt(input)
    states.set(
      a.name,
      a.shape,
      Float32Array.from({ length: rank * input }, () => bound * (2 * random.uniform() - 1)),
    )
    states.zero(b.name, b.shape)
  })
}

/** A parameter's values in the layout of its file; an adapted weight with its adapter merged, `W + s B A`. */
export async function mergedWeight(
  states: StateReader,
  { architecture, prefix = '', adapters }: HeldModel,
  name: string,
): Promise<Float32Array> {
  const weight = await states.get(prefix + name) // a projection's is [out, in]
  const pair = adapters?.pairs.get(name.replace(/\.weight$/, ''))
  if (!adapters || !pair) return toStored(architecture, name, weight)
  const [a, b] = [await states.get(pair.a.name), await states.get(pair.b.name)]
  const [rank = 0, input = 0] = pair.a.shape
  const [output = 0] = pair.b.shape
  const row = new Float64Array(input)
  for (let o = 0; o < output; o++) {
    row.fill(0)
    for (let k = 0; k < rank; k++) {
      const factor = adapters.scale * (b[o * rank + k] ?? 0)
      for (let i = 0; i < input; i++) row[i] = (row[i] ?? 0) + factor * (a[k * input + i] ?? 0)
    }
    for (let i = 0; i < input; i++) weight[o * input + i] = (weight[o * input + i] ?? 0) + (row[i] ?? 0)
  }
  return toStored(architecture, name, weight)
}

/** Every projection that one of `targets` matches, in the order of the forward pass. */
export function targetedProjections(architecture: Architecture, targets: readonly string[]): string[] {
  const all = projectionsOf(architecture)
  const means = (target: string, name: string): boolean =>
    target === ALL_LINEAR || name === target || name.endsWith(`.${target}`)
  const strange = targets.find((target) => !all.some((name) => means(target, name)))
  if (targets.length === 0 || strange !== undefined) {
    const ends = [...new Set(all.map((name) => name.split('.').at(-1)))]
    const found = strange === undefined ? 'no target' : `no projection ${strange}`
    throw new Error(`LoRA: ${found}; this model has ${ends.join(', ')}, and ${ALL_LINEAR} for all of them`)
  }
  return all.filter((name) => targets.some((target) => means(target, name)))
}

/** The names of the projections in a family's blocks, in order: recorded from a forward pass of one token. */
function projectionsOf(architecture: Architecture): string[] {
  const graph = new Graph()
  const parameters = parametersOf(graph, { architecture })
  const names: string[] = []
  const ids = graph.input('ids', [1, 1], 'int32')
  architecture.residual(
    {
      tensor: parameters.tensor,
      project(x, name) {
        names.push(name)
        return parameters.project(x, name)
      },
    },
    ids,
    reshape(range(1), [1, 1]),
    (_, q) => q,
  )
  return names
}

function sizesOf(architecture: Architecture, name: string): { input: number; output: number } {
  const [output = 0, input = 0] = heldShape(architecture, `${name}.weight`)
  return { input, output }
}
