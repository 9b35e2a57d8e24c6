/** What a run's table of samples shows, and in what order. Pure. */
import type { Sample, SampleStatus } from '../../../../core/protocol/index.ts'
import { fixed } from '../../ui/format.ts'
import { isFound, type Column } from '../tables/columns.ts'

/** Where a sample has no votes, or none that the reader may see. */
export const sampleWords: Readonly<Record<SampleStatus, string>> = {
  queued: 'asked',
  streaming: 'being written',
  open: 'voting is open',
  closed: 'no votes',
  failed: 'not finished',
}

/** As a filter names them, where it says nothing of votes. */
export const statusNames: Readonly<Record<SampleStatus, string>> = { ...sampleWords, closed: 'voting is closed' }

export const sampleColumns: readonly Column<Sample>[] = [
  { key: 'step', label: 'Step', number: true, value: ({ step }) => step },
  { key: 'version', label: 'Version', number: true, value: ({ policyVersion }) => policyVersion },
  { key: 'prompt', label: 'Prompt', value: ({ prompt }) => prompt },
  { key: 'answer', label: 'Answer', value: ({ response }) => response },
  {
    key: 'value',
    label: 'Crowd',
    number: true,
    value: ({ crowd }) => crowd?.value ?? null,
    text: ({ crowd }) => fixed(crowd?.value ?? 0),
  },
  {
    key: 'compassion',
    label: 'Compassion',
    number: true,
    value: ({ crowd }) => crowd?.compassion ?? null,
    text: ({ crowd }) => fixed(crowd?.compassion ?? 0),
  },
  { key: 'votes', label: 'Votes', number: true, value: ({ crowd }) => crowd?.votes ?? null },
]

/** What a file has besides. */
export const savedSampleColumns: readonly Column<Sample>[] = [
  { key: 'id', label: 'Id', value: ({ id }) => id },
  ...sampleColumns,
  { key: 'origin', label: 'Origin', value: ({ origin }) => origin },
  { key: 'status', label: 'Status', value: ({ status }) => status },
  { key: 'timestamp', label: 'Time', value: ({ timestamp }) => timestamp },
]

export interface SampleFilter {
  query: string
  /** Empty: any. */
  status: SampleStatus | ''
  origin: Sample['origin'] | ''
  /** Only those with votes, as far as the reader may see them. */
  voted: boolean
}

/** The samples that a filter leaves: prompt and answer are searched. */
export const filteredSamples = (samples: readonly Sample[], { query, status, origin, voted }: SampleFilter): Sample[] =>
  samples.filter(
    (sample) =>
      (status === '' || sample.status === status) &&
      (origin === '' || sample.origin === origin) &&
      (!voted || (sample.crowd?.votes ?? 0) > 0) &&
      isFound(query, sample.prompt, sample.response),
  )
