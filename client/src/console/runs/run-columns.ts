/** What the table of runs can show of each. Pure. */
import {
  algorithms,
  type SessionStatus,
  type TrainingMetrics,
  type TrainingSession,
} from '../../../../core/protocol/index.ts'
import { count, dateTime, fixed, isEndless } from '../../ui/format.ts'
import { statusText } from '../../ui/status.ts'
import { isFound, type Column } from '../tables/columns.ts'
import { firstOf, rewardOf } from '../charts/curves.ts'

type RunColumn = Column<TrainingSession>

const metric = (
  key: string,
  label: string,
  of: (metrics: TrainingMetrics) => number | null = firstOf([key]),
): RunColumn => ({
  key,
  label,
  number: true,
  value: ({ metrics }) => of(metrics),
  text: ({ metrics }) => fixed(of(metrics) ?? 0),
})

const setting = (
  key: string,
  label: string,
  of: (configuration: TrainingSession['configuration']) => number,
): RunColumn => ({ key, label, number: true, value: ({ configuration }) => of(configuration) })

/** In the order in which they are shown; the first is always. Metrics are those of the latest step. */
export const runColumns: readonly RunColumn[] = [
  { key: 'title', label: 'Run', value: ({ title }) => title },
  { key: 'status', label: 'Status', value: ({ status }) => statusText[status] },
  { key: 'model', label: 'Model', value: ({ modelId }) => modelId },
  {
    key: 'algorithm',
    label: 'Algorithm',
    value: ({ configuration }) => algorithms[configuration.algorithm].label,
  },
  {
    key: 'step',
    label: 'Step',
    number: true,
    value: ({ currentStep }) => currentStep,
    text: ({ currentStep }) => count(currentStep),
  },
  {
    key: 'steps',
    label: 'Steps planned',
    number: true,
    value: (run) => (isEndless(run) ? null : run.totalSteps),
    text: ({ totalSteps }) => count(totalSteps),
  },
  {
    key: 'started',
    label: 'Started',
    number: true,
    value: ({ startTime }) => startTime,
    text: ({ startTime }) => dateTime(startTime),
  },
  {
    key: 'ended',
    label: 'Ended',
    number: true,
    value: ({ endTime }) => endTime,
    text: ({ endTime }) => (endTime === null ? '' : dateTime(endTime)),
  },
  metric('rewardScore', 'Reward', rewardOf),
  metric('humanRating', 'People’s rating'),
  metric('compassionScore', 'Compassion'),
  metric('agreement', 'Agreement'),
  metric('objective/kl', 'KL'),
  metric('responseLength', 'Answer length'),
  setting('learningRate', 'Learning rate', ({ learningRate }) => learningRate),
  setting('batchSize', 'Answers per step', ({ batchSize }) => batchSize),
  setting('ppoConfig.targetKL', 'Target KL', ({ ppoConfig }) => ppoConfig.targetKL),
  setting('loraConfig.rank', 'Adapter rank', ({ loraConfig }) => loraConfig.rank),
  setting('live.seed', 'Seed', ({ live }) => live.seed),
  { key: 'audience', label: 'For', value: ({ configuration }) => configuration.live.audience },
  { key: 'recorded', label: 'On the chain', number: true, value: ({ blockchain }) => blockchain.recorded },
  { key: 'id', label: 'Id', value: ({ id }) => id },
]

/** Shown until somebody chooses. */
export const usualColumns: readonly string[] = ['status', 'model', 'step', 'started', 'rewardScore', 'compassionScore']

export interface RunFilter {
  query: string
  /** Empty: any. */
  status: SessionStatus | ''
  model: string
}

/** The runs that a filter leaves: title, id, model and error are searched. */
export const filteredRuns = (
  runs: readonly TrainingSession[],
  { query, status, model }: RunFilter,
): TrainingSession[] =>
  runs.filter(
    (run) =>
      (status === '' || run.status === status) &&
      (model === '' || run.modelId === model) &&
      isFound(query, run.title, run.id, run.modelId, run.error ?? ''),
  )
