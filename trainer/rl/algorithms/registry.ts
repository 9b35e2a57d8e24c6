/** The algorithms, by their names in core/protocol/algorithms.ts. */
import { type AlgorithmConfig, type AlgorithmName, algorithmNames, factsOf } from '../../../core/protocol/index.ts'
import type { LearnerConfig } from '../config.ts'
import type { Algorithm, AlgorithmModule } from './algorithm.ts'
import { dpo } from './dpo-graph.ts'
import { grpo } from './grpo-graph.ts'
import { ppo } from './ppo-graph.ts'

const modules: { readonly [K in AlgorithmName]: AlgorithmModule<AlgorithmConfig<K>> } = { ppo, grpo, dpo }

/** @throws Error where its settings are out of range, or the shared ones do not fit */
export function openAlgorithm(config: LearnerConfig): Algorithm {
  const { config: schema, valueHead, rows } = factsOf(config.algorithm)
  const module = modules[config.algorithm] as AlgorithmModule<object>
  return { valueHead, rows, ...module.open(config, schema?.parse(config.own) ?? {}) }
}

/** Its metrics, beside those of every algorithm. */
export const metricsOf = (name: AlgorithmName): Readonly<Record<string, string>> => modules[name].metrics

/** Of all algorithms: the metric that is the mean of a loss's statistic, by the statistic. */
export const averages: Readonly<Record<string, string>> = Object.fromEntries(
  algorithmNames.flatMap((name) => Object.entries(modules[name].averages)),
)
