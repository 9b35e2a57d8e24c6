import { expect, test } from 'vitest'
import {
  exportDefaults,
  ExportedAnswer,
  ExportedPreference,
  ExportedPrompt,
  ExportedReceipt,
  ExportedVote,
  ExportLayout,
  ExportQuery,
  limits,
} from '../../core/protocol/index.ts'
import { readRepositoryFile } from '../helpers/repository.ts'

const text = readRepositoryFile('docs/DATA.md')
const rowOf = (name: string) => text.split('\n').find((line) => line.startsWith(`| \`${name}\` |`)) ?? ''

test.each([
  ['preferences', ExportedPreference],
  ['answers', ExportedAnswer],
  ['votes', ExportedVote],
  ['prompts', ExportedPrompt],
  ['receipts', ExportedReceipt],
])('docs/DATA.md has the columns of %s, in their order', (table, schema) => {
  const columns = [...(rowOf(table).split(' | ').at(-1) ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name)
  expect(columns).toEqual(Object.keys(schema.shape))
})

test('docs/DATA.md names every layout and parameter, and the numbers that hold', () => {
  for (const name of [...ExportLayout.options.filter((layout) => layout !== 'rows'), ...Object.keys(ExportQuery.shape)])
    expect(text).toContain(`\`${name}`)
  const { exportWeighedVotes, exportPageRows, exportGroupRows, exportGroupChars, exportMs, exportsAtOnce } = limits
  for (const said of [
    `Up to ${exportWeighedVotes.toLocaleString('en')} votes are weighed together`,
    `stretches of ${(exportWeighedVotes / 2).toLocaleString('en')}`,
    `pages of ${exportPageRows} rows`,
    `${exportGroupRows.toLocaleString('en')} rows or ${exportGroupChars / 1e6} million characters`,
    `\`minMargin\` (${exportDefaults.minMargin})`,
    `\`minVotes\` votes on each (${exportDefaults.minVotes})`,
    `good (${exportDefaults.minValue})`,
  ])
    expect(text).toContain(said)
  expect([exportMs, exportsAtOnce]).toEqual([2 * 3_600_000, 2])
})
