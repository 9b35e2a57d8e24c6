/** Exports: what a run gathered, and the files in which it leaves it. Their rows: export-rows.ts. */
import { z } from 'zod'
import { limits } from './limits.ts'
import { unit } from './pieces.ts'

export const ExportTable = z.enum(['preferences', 'answers', 'votes', 'prompts', 'receipts'])
export type ExportTable = z.infer<typeof ExportTable>

/** `card` describes the data: the README.md of a dataset on the Hugging Face hub. */
export const ExportFormat = z.enum(['jsonl', 'csv', 'parquet', 'card'])
export type ExportFormat = z.infer<typeof ExportFormat>

/** `rows` has the table's own columns; the others those of TRL's dataset types. */
export const ExportLayout = z.enum([
  'rows',
  'preference',
  'implicit-preference',
  'unpaired-preference',
  'prompt-completion',
  'language-modeling',
  'prompt-only',
])
export type ExportLayout = z.infer<typeof ExportLayout>

/** The layouts that a table's rows can be brought into. */
export const exportLayouts: Readonly<Record<ExportTable, readonly ExportLayout[]>> = {
  preferences: ['rows', 'preference', 'implicit-preference'],
  answers: ['rows', 'prompt-completion', 'language-modeling', 'unpaired-preference'],
  votes: ['rows'],
  prompts: ['rows', 'prompt-only'],
  receipts: ['rows'],
}

const decimal = z
  .string()
  .regex(/^\d{1,3}(\.\d{1,18})?$/, 'a number from 0 to 1')
  .transform(Number)
  .pipe(unit)
const whole = z
  .string()
  .regex(/^\d{1,6}$/, 'a whole number')
  .transform(Number)
const flag = z.enum(['true', 'false']).transform((text) => text === 'true')
/** In any zone; then UTC. */
const moment = z.iso
  .datetime({ offset: true })
  .transform((text) => new Date(text).toISOString())
  .pipe(z.iso.datetime())
const id = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'

/** What an export can be narrowed by or told to hold. What a table does not read is refused (`exportReads`). */
export const ExportQuery = z.object({
  format: ExportFormat.optional().describe('jsonl by default'),
  layout: ExportLayout.optional().describe('rows by default'),
  chat: flag.optional().describe('Of a layout other than rows: texts as lists of {"role", "content"}'),
  since: moment
    .optional()
    .describe(
      'Rows of this time or later: of votes and receipts when they were stored, of the others when the answers were made',
    ),
  until: moment.optional().describe('Rows before this time'),
  after: z
    .string()
    .regex(new RegExp(`^${id}(_${id})?$`), 'the id of a row')
    .optional()
    .describe('Rows after the one with this id, without a header: a broken download goes on'),
  minReliability: decimal
    .optional()
    .describe('Only votes of raters who are at least this reliable; values count these alone'),
  minAgreement: decimal.optional().describe('Only answers whose raters agree at least so much'),
  taste: z
    .enum(['largest', 'others'])
    .optional()
    .describe('Only votes of people of the largest taste, or of the others'),
  minVotes: whole.optional().describe('Votes that each answer needs'),
  minMargin: decimal.optional().describe('By how much the values of a pair differ at least'),
  minValue: decimal
    .optional()
    .describe('The value from which on an answer is good: what is completed by, or the label'),
  withdrawn: flag.optional().describe('Withdrawn votes, too'),
  excluded: flag.optional().describe('Votes of excluded raters, too'),
  names: flag.optional().describe('Ids and names of the raters instead of pseudonyms, for the run’s owner'),
  licence: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.+-]{0,63}$/, 'an identifier of the hub, like cc-by-4.0')
    .optional()
    .describe('Of the card: under which licence the data are given away'),
  consent: z.string().trim().min(1).max(limits.consentChars).optional().describe('Of the card: what raters agreed to'),
})
export type ExportQuery = z.output<typeof ExportQuery>

/** Narrows what is exported, and does so in some tables only. */
export type ExportFilter = Exclude<keyof ExportQuery, 'format' | 'layout' | 'chat' | 'after' | 'licence' | 'consent'>

const always = ['since', 'until'] as const
const byWeight = ['minReliability', 'minAgreement', 'taste'] as const

/** The filters that a table in a layout reads. */
export function exportReads(table: ExportTable, layout: ExportLayout): readonly ExportFilter[] {
  switch (table) {
    case 'preferences':
      return [...always, ...byWeight, 'minVotes', 'minMargin']
    case 'answers':
      return [...always, ...byWeight, 'minVotes', ...(layout === 'rows' ? [] : (['minValue'] as const))]
    case 'votes':
      return [...always, ...byWeight, 'withdrawn', 'excluded', 'names']
    case 'prompts':
      return always
    case 'receipts':
      return [...always, 'minReliability', 'names']
  }
}

/** Filters that have a value where none is given. */
export const exportDefaults = {
  /** Of answers in rows: 0, so that those without votes are there, too. */
  minVotes: 1,
  /** In the unit of a vote's value: a rating of 7 and one of 6 are 0.11 apart. */
  minMargin: 0.1,
  minValue: 0.5,
} as const

/** What the file is called, without its ending. */
export const exportName = (sessionId: string, table: ExportTable, layout: ExportLayout): string =>
  ['attune', sessionId, table, ...(layout === 'rows' ? [] : [layout])].join('-')
