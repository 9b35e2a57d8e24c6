import { describe, expect, test } from 'vitest'
import {
  ExportFormat,
  exportLayouts,
  ExportQuery,
  exportReads,
  ExportTable,
  type ExportLayout,
} from '../../core/protocol/index.ts'
import { fieldsOf, layoutFor, requestFor, type ExportChoice } from '../../client/src/console/data/exports.ts'
import { requestOf } from '../../server/exports/request.ts'

const choice = (more: Partial<ExportChoice> = {}): ExportChoice => ({
  ...{ table: 'preferences', format: 'jsonl', layout: 'rows', fields: {} },
  ...more,
})
const queryOf = (chosen: ExportChoice) => {
  const request = requestFor('demo', chosen)
  if (!request.ok) throw new Error(JSON.stringify(request.errors))
  const { pathname, searchParams } = new URL(request.path, 'http://attune.test')
  expect(pathname).toBe(`/api/training/demo/export/${chosen.table}`)
  return Object.fromEntries(searchParams)
}

describe('the form', () => {
  test('offers what the server reads, and asks for nothing that it refuses', () => {
    const filled = { since: '2026-01-01', until: '2026-01-02 12:30', taste: 'largest', licence: 'mit', consent: 'yes' }
    const numbers = Object.fromEntries(
      ['minVotes', 'minMargin', 'minValue', 'minReliability', 'minAgreement'].map((name) => [name, '1']),
    )
    const switches = Object.fromEntries(['chat', 'withdrawn', 'excluded', 'names'].map((name) => [name, 'true']))
    for (const table of ExportTable.options)
      for (const layout of exportLayouts[table])
        for (const format of ExportFormat.options) {
          const chosen = choice({ table, layout, format, fields: { ...filled, ...numbers, ...switches } })
          const query = queryOf(chosen)
          expect(Object.keys(query)).toEqual(expect.arrayContaining([...exportReads(table, layout)]))
          expect(requestOf(table, ExportQuery.parse(query))).toMatchObject({ table, layout, format })
        }
  })

  test('leaves out what is empty or switched off, and fields that the choice no longer has', () => {
    const fields = { minVotes: ' ', chat: 'false', names: 'true', minMargin: ' 0.25 ' }
    expect(queryOf(choice({ fields }))).toEqual({ format: 'jsonl', layout: 'rows', minMargin: '0.25' })
    expect(queryOf(choice({ table: 'votes', fields }))).toEqual({ format: 'jsonl', layout: 'rows', names: 'true' })
  })

  test('reads a date in the reader’s own time zone', () => {
    const { since, until } = queryOf(choice({ fields: { since: '2026-01-31', until: '2026-02-01 14:05' } }))
    expect(since).toBe(new Date(2026, 0, 31).toISOString())
    expect(until).toBe(new Date(2026, 1, 1, 14, 5).toISOString())
  })

  test('says what is wrong next to its field', () => {
    const fields = { since: 'yesterday', minMargin: '2', minVotes: 'two', until: '2026-13-01' }
    expect(requestFor('demo', choice({ fields }))).toEqual({
      ok: false,
      errors: {
        since: expect.stringContaining('2026-01-31'),
        until: expect.stringContaining('2026-01-31'),
        minMargin: expect.any(String),
        minVotes: 'A whole number.',
      },
    })
  })

  test('says how many votes an answer needs by default: none, among all columns of the answers', () => {
    const empty = (more: Partial<ExportChoice>) =>
      fieldsOf(choice(more)).find(({ path }) => path[0] === 'minVotes')?.empty
    expect(empty({ table: 'answers' })).toBe(String(requestOf('answers', {}).minVotes))
    expect(empty({ table: 'answers', layout: 'prompt-completion' })).toBe(
      String(requestOf('answers', { layout: 'prompt-completion' }).minVotes),
    )
    expect(empty({})).toBe(String(requestOf('preferences', {}).minVotes))
  })

  test('has messages only where a cell can hold them', () => {
    const has = (more: Partial<ExportChoice>) => fieldsOf(choice(more)).some(({ path }) => path[0] === 'chat')
    expect([has({}), has({ layout: 'preference' }), has({ layout: 'preference', format: 'csv' })]).toEqual([
      ...[false, true, false],
    ])
  })

  test.each<[ExportTable, ExportLayout, ExportLayout]>([
    ['answers', 'preference', 'rows'],
    ['preferences', 'preference', 'preference'],
    ['votes', 'prompt-only', 'rows'],
  ])('of %s with %s has %s', (table, wanted, layout) => expect(layoutFor(table, wanted)).toBe(layout))
})
