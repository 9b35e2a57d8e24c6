/**
 * Every metric that a step of a run or an evaluation of it may report, with its meaning and unit, by the file that
 * computes it.
 */
import { EVALUATION_METRICS } from '../evaluation/metrics.ts'
import { LIVE_METRICS } from './step-metrics.ts'
import { STEERING_METRICS } from '../reward/steering.ts'
import { METRICS } from '../rl/metrics.ts'
import { WATCH_METRICS } from './reward-hacking-watch.ts'

export const METRICS_BY_FILE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'trainer/loop/step-metrics.ts': LIVE_METRICS,
  'trainer/loop/reward-hacking-watch.ts': WATCH_METRICS,
  'trainer/reward/steering.ts': STEERING_METRICS,
  'trainer/rl/metrics.ts': METRICS,
  'trainer/evaluation/metrics.ts': EVALUATION_METRICS,
}

export const isMetric = (name: string): boolean =>
  Object.values(METRICS_BY_FILE).some((metrics) => Object.hasOwn(metrics, name))
