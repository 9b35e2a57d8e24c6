/** The data card: README.md of a dataset on the Hugging Face hub, whose loader reads its front matter. */
import type { Column, Shape } from '../columns.ts'
import type { Layout } from '../layouts/layout.ts'
import type { ExportRequest } from '../request.ts'

export interface Card {
  request: ExportRequest
  columns: readonly Column[]
  /** null: rows. */
  layout: Layout | null
  /** Of the data's file, without its ending. */
  name: string
  run: { id: string; title: string; modelId: string }
  /** ISO 8601. */
  madeAt: string
}

export const cardType = 'text/markdown; charset=utf-8'

export function cardOf(card: Card): string {
  const { request, columns, layout, name, run, madeAt } = card
  const front = [
    `pretty_name: ${JSON.stringify(`${line(run.title)}: ${request.table}`)}`,
    // What the hub calls a licence that nobody has stated.
    `license: ${request.licence ?? 'unknown'}`,
    ...(layout === null ? [] : ['task_categories:', `- ${layout.task}`]),
    'tags:',
    '- human-feedback',
    'configs:',
    '- config_name: default',
    `  data_files: ${JSON.stringify(`${name}.*`)}`,
  ]
  return [
    ['---', ...front, '---'].join('\n'),
    `# ${line(run.title)}: ${request.table}`,
    contents[request.table],
    [
      `- Run: \`${run.id}\`, of the model \`${run.modelId}\`, exported from Attune on ${madeAt}.`,
      '- Votes were given live, while the model was trained on them. Whether raters were people or simulated is not recorded.',
      `- ${request.names ? 'Raters are named.' : 'Raters and networks are pseudonyms that hold within this run alone.'} What erased people wrote, asked or voted is not here.`,
      `- Filters: ${filtersOf(request)}.`,
      `- Licence: ${request.licence ?? 'not stated'}.`,
      `- What raters agreed to: ${request.consent === null ? 'not stated' : line(request.consent)}`,
    ].join('\n'),
    '## Columns',
    [
      '| column | type | |',
      '|---|---|---|',
      ...columns.map((column) => `| \`${column.name}\` | ${typeOf(column)} | ${column.description} |`),
    ].join('\n'),
    ...(layout === null ? [] : ['## Use', usageOf(request, layout)]),
    '',
  ].join('\n\n')
}

/** Text that somebody typed, on one line. */
const line = (text: string): string => text.replace(/\s+/g, ' ').trim()

const contents: Readonly<Record<ExportRequest['table'], string>> = {
  prompts: 'What the model was asked: each prompt once.',
  answers: 'What the model answered, with what the crowd’s votes say of each answer.',
  votes: 'What raters said of the answers, vote by vote.',
  receipts: 'What came of each vote: the update that used it, and how much it weighed there.',
  preferences:
    'Pairs of answers to the same prompt that the crowd values differently: the weighted means of the votes on each.',
}

function filtersOf({ given, ...request }: ExportRequest): string {
  const set = given.map((name) => `${name} ${String(request[name])}`)
  const { table, layout, minVotes, minMargin, minValue } = request
  if (table === 'preferences')
    set.push(`pairs with ${minVotes} votes on each answer and ${minMargin} between their values at least`)
  if (layout === 'prompt-completion' || layout === 'language-modeling')
    set.push(`answers of value ${minValue} at least`)
  if (layout === 'unpaired-preference') set.push(`label: value ${minValue} at least`)
  return set.length === 0 ? 'none' : set.join(', ')
}

const typeOf = ({ shape, nullable }: Column): string => `${nameOf(shape)}${nullable ? ' or null' : ''}`

function nameOf(shape: Shape): string {
  if (shape.type === 'list') return `list of ${nameOf(shape.of.shape)}`
  if (shape.type === 'group') return `{${shape.fields.map(({ name }) => name).join(', ')}}`
  return shape.type
}

const usageOf = ({ layout, chat }: ExportRequest, { trainers }: Layout): string =>
  [
    `TRL’s ${layout} type, ${chat ? 'conversational' : 'standard'} format: ${trainers}.`,
    '```python\nfrom datasets import load_dataset\n\ndata = load_dataset("path/to/this/folder", split="train")\n```',
  ].join('\n\n')
