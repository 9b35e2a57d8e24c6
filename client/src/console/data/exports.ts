/** What can be downloaded of a run: the choices of the form, and the request that they come to. Pure. */
import {
  ExportQuery,
  exportDefaults,
  exportLayouts,
  exportReads,
  limits,
  type ExportFormat,
  type ExportLayout,
  type ExportTable,
} from '../../../../core/protocol/index.ts'
import { sentence } from '../../ui/sentence.ts'
import type { Setting } from '../runs/settings.ts'

/** What somebody has chosen; the fields as they stand in the form, by the names of the request. */
export interface ExportChoice {
  table: ExportTable
  format: ExportFormat
  layout: ExportLayout
  fields: Readonly<Record<string, string>>
}

export const tableNames: Readonly<Record<ExportTable, string>> = {
  preferences: 'Preferences (pairs of answers)',
  answers: 'Answers, and what votes say of them',
  votes: 'Votes, one by one',
  prompts: 'Prompts',
  receipts: 'Receipts: what came of each vote',
}

export const formatNames: Readonly<Record<ExportFormat, string>> = {
  jsonl: 'JSON Lines',
  csv: 'CSV, for spreadsheets',
  parquet: 'Parquet',
  card: 'Data card (README.md)',
}

export const layoutNames: Readonly<Record<ExportLayout, string>> = {
  rows: 'All columns',
  preference: 'TRL: preference',
  'implicit-preference': 'TRL: preference, implicit prompt',
  'unpaired-preference': 'TRL: unpaired preference',
  'prompt-completion': 'TRL: prompt and completion',
  'language-modeling': 'TRL: language modeling (SFT)',
  'prompt-only': 'TRL: prompts only',
}

/** A layout that the table has: the one chosen, or its first. */
export const layoutFor = (table: ExportTable, layout: ExportLayout): ExportLayout =>
  exportLayouts[table].includes(layout) ? layout : 'rows'

/** The fields that mean something for this choice. */
export function fieldsOf({ table, format, layout }: Omit<ExportChoice, 'fields'>): Setting[] {
  const named = new Set<string>(exportReads(table, layout))
  if (layout !== 'rows' && format !== 'csv') named.add('chat')
  if (format === 'card') named.add('licence').add('consent')
  return all
    .filter(({ path: [name = ''] }) => named.has(name))
    .map((one) =>
      one.path[0] === 'minVotes' && table === 'answers' && layout === 'rows' ? { ...one, empty: '0' } : one,
    )
}

const field = (
  kind: Setting['kind'],
  name: keyof ExportQuery,
  label: string,
  explain: string,
  more: Partial<Setting> = {},
): Setting => ({ kind, path: [name], label, explain, ...more })

const all: readonly Setting[] = [
  field('switch', 'chat', 'As messages', 'Texts as lists of {"role", "content"}, for chat models.'),
  field('text', 'since', 'Since', 'Only what was made, or voted, from then on: a date, and a time if you like.', {
    empty: '2026-01-31 14:00',
  }),
  field('text', 'until', 'Until', 'Only what came before then.', { empty: '2026-02-01' }),
  field('number', 'minVotes', 'Votes on each answer', 'Answers with fewer are left out.', {
    empty: String(exportDefaults.minVotes),
  }),
  field('number', 'minMargin', 'Margin', 'By how much the values of a pair differ at least, 0 to 1.', {
    empty: String(exportDefaults.minMargin),
  }),
  field('number', 'minValue', 'Good from', 'The value from which on an answer is good, 0 to 1.', {
    empty: String(exportDefaults.minValue),
  }),
  field('number', 'minReliability', 'Reliability', 'Only votes of raters who are at least this reliable, 0 to 1.', {
    empty: 'everybody',
  }),
  field('number', 'minAgreement', 'Agreement', 'Only answers whose raters agree at least so much, 0 to 1.', {
    empty: 'all',
  }),
  field('choice', 'taste', 'Taste', 'Whose votes count, where tastes differ.', {
    options: [
      ['', 'everybody’s'],
      ['largest', 'the largest taste’s'],
      ['others', 'the other tastes’'],
    ],
  }),
  field('switch', 'withdrawn', 'Withdrawn votes', 'They are marked, and weigh nothing.'),
  field('switch', 'excluded', 'Excluded raters', 'Their votes are marked, and weigh nothing.'),
  field('switch', 'names', 'Names', 'Ids and names of the raters instead of pseudonyms: not for giving away.'),
  field('text', 'licence', 'Licence', 'Under which you give the data away, as the hub names it.', {
    empty: 'not stated',
  }),
  field('text', 'consent', 'Consent', `What raters agreed to; ${limits.consentChars} characters at most.`, {
    empty: 'not stated',
  }),
]

/**
 * The path of a choice's request, or what is wrong with its fields, by their names. A date is of the reader's own time
 * zone.
 */
export function requestFor(
  sessionId: string,
  choice: ExportChoice,
): { ok: true; path: string } | { ok: false; errors: Record<string, string> } {
  const query: Record<string, string> = { format: choice.format, layout: choice.layout }
  const errors: Record<string, string> = {}
  for (const { kind, path } of fieldsOf(choice)) {
    const [name = ''] = path
    const value = (choice.fields[name] ?? '').trim()
    if (value === '' || (kind === 'switch' && value !== 'true')) continue
    query[name] = name === 'since' || name === 'until' ? (momentOf(value) ?? value) : value
  }
  const { success, error } = ExportQuery.safeParse(query)
  if (success)
    return {
      ok: true,
      path: `/api/training/${sessionId}/export/${choice.table}?${new URLSearchParams(query).toString()}`,
    }
  for (const { path, message } of error.issues)
    errors[String(path[0])] ??=
      path[0] === 'since' || path[0] === 'until' ? 'Write a date like 2026-01-31 14:00.' : sentence(message)
  return { ok: false, errors }
}

/** A moment as the request has it; null for what is no date. */
function momentOf(text: string): string | null {
  const [, date, time = '00:00'] = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?))?$/.exec(text) ?? []
  const at = Date.parse(`${date}T${time}`)
  return Number.isNaN(at) ? null : new Date(at).toISOString()
}
