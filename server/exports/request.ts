import { AttuneError } from '../../core/errors.ts'
import {
  exportDefaults,
  exportLayouts,
  exportReads,
  type ExportFilter,
  type ExportLayout,
  type ExportQuery,
  type ExportTable,
} from '../../core/protocol/index.ts'
import { formats } from './formats/index.ts'

/** What is exported, with nothing left open. */
export interface ExportRequest {
  table: ExportTable
  layout: ExportLayout
  format: keyof typeof formats | 'card'
  chat: boolean
  /** The id of the row that the export begins after. */
  after: string | undefined
  since: string | undefined
  until: string | undefined
  minReliability: number | null
  minAgreement: number | null
  taste: 'largest' | 'others' | null
  minVotes: number
  minMargin: number
  minValue: number
  withdrawn: boolean
  excluded: boolean
  names: boolean
  /** null: not stated. */
  licence: string | null
  consent: string | null
  /** The filters that were given. */
  given: readonly ExportFilter[]
}

/** Fills in what a query leaves open. @throws AttuneError invalid for what does not go together, or would do nothing */
export function requestOf(table: ExportTable, query: ExportQuery): ExportRequest {
  const { format = 'jsonl', layout = 'rows', chat = false, after, licence, consent, ...filters } = query
  const refuse = (path: keyof ExportQuery, message: string): never => {
    throw new AttuneError('invalid', message, { path })
  }
  if (!exportLayouts[table].includes(layout))
    refuse('layout', `${table} come in the layouts ${exportLayouts[table].join(', ')}`)
  if (query.chat !== undefined && layout === 'rows')
    refuse('chat', 'rows have plain texts: choose another layout, or leave it out')
  if (chat && format !== 'card' && !formats[format].nests)
    refuse('chat', `a cell of ${format} holds no messages: ask for jsonl or parquet, or for plain texts`)
  if (after !== undefined && (format === 'card' || !formats[format].continues))
    refuse('after', `what broke off cannot be continued in ${format}: ask for jsonl or csv, or for all of it again`)
  if (after !== undefined && after.includes('_') !== (table === 'preferences'))
    refuse('after', `this is not the id of a row of ${table}`)
  if (format !== 'card')
    for (const path of ['licence', 'consent'] as const)
      if (query[path] !== undefined) refuse(path, 'this is for the card: leave it out')
  const given = (Object.keys(filters) as ExportFilter[]).filter((name) => filters[name] !== undefined)
  const read = exportReads(table, layout)
  for (const name of given)
    if (!read.includes(name)) refuse(name, `this does nothing for ${table} in this layout: leave it out`)
  if (
    filters.since !== undefined &&
    filters.until !== undefined &&
    Date.parse(filters.since) >= Date.parse(filters.until)
  )
    refuse('until', 'there is no time between since and until')
  const isWhole = table === 'answers' && layout === 'rows'
  if (filters.minVotes === 0 && !isWhole) refuse('minVotes', 'without a vote an answer has no value: at least 1')
  return {
    ...{ table, layout, format, chat, after, since: filters.since, until: filters.until, given },
    minReliability: filters.minReliability ?? null,
    minAgreement: filters.minAgreement ?? null,
    taste: filters.taste ?? null,
    minVotes: filters.minVotes ?? (isWhole ? 0 : exportDefaults.minVotes),
    minMargin: filters.minMargin ?? exportDefaults.minMargin,
    minValue: filters.minValue ?? exportDefaults.minValue,
    withdrawn: filters.withdrawn ?? false,
    excluded: filters.excluded ?? false,
    names: filters.names ?? false,
    licence: licence ?? null,
    consent: consent ?? null,
  }
}
