import { describe, expect, test } from 'vitest'
import { ExportQuery, exportReads, ExportTable } from '../../core/protocol/index.ts'
import { requestOf } from '../../server/exports/request.ts'

const asked = (table: ExportTable, query: Record<string, string> = {}) => requestOf(table, ExportQuery.parse(query))
const since = '2026-01-01T00:00:00.000Z'

test('what is left open is filled in', () => {
  expect(asked('preferences')).toMatchObject({
    format: 'jsonl',
    layout: 'rows',
    minVotes: 1,
    minMargin: 0.1,
    given: [],
  })
  expect(asked('answers')).toMatchObject({ minVotes: 0 })
  expect(asked('answers', { layout: 'unpaired-preference' })).toMatchObject({ minVotes: 1, minValue: 0.5 })
  expect(asked('votes', { names: 'true', minReliability: '0.25' })).toMatchObject({
    ...{ names: true, withdrawn: false, minReliability: 0.25, given: ['minReliability', 'names'] },
  })
})

describe('what does not go together, or would do nothing, is refused with its field', () => {
  test.each<[ExportTable, Record<string, string>, string]>([
    ['votes', { layout: 'preference' }, 'layout'],
    ['preferences', { layout: 'prompt-only' }, 'layout'],
    ['preferences', { chat: 'true' }, 'chat'],
    ['preferences', { layout: 'preference', chat: 'true', format: 'csv' }, 'chat'],
    ['votes', { format: 'parquet', after: '00000000-0000-4000-8000-000000000000' }, 'after'],
    ['votes', { format: 'card', after: '00000000-0000-4000-8000-000000000000' }, 'after'],
    ['preferences', { after: '00000000-0000-4000-8000-000000000000' }, 'after'],
    ['votes', { after: '00000000-0000-4000-8000-000000000000_00000000-0000-4000-8000-000000000000' }, 'after'],
    ['votes', { licence: 'mit' }, 'licence'],
    ['votes', { consent: 'yes' }, 'consent'],
    ['votes', { minMargin: '0.2' }, 'minMargin'],
    ['answers', { names: 'true' }, 'names'],
    ['answers', { minValue: '0.2' }, 'minValue'],
    ['prompts', { withdrawn: 'true' }, 'withdrawn'],
    ['receipts', { minAgreement: '0.5' }, 'minAgreement'],
    ['preferences', { minVotes: '0' }, 'minVotes'],
    ['answers', { minVotes: '0', layout: 'prompt-completion' }, 'minVotes'],
    ['votes', { since, until: since }, 'until'],
  ])('%s with %j', (table, query, path) => {
    expect(() => asked(table, query)).toThrow(expect.objectContaining({ code: 'invalid', path }))
  })

  test('but for a layout that its table has, and filters that it reads', () => {
    expect(asked('answers', { minVotes: '0' })).toMatchObject({ minVotes: 0 })
    expect(asked('preferences', { layout: 'preference', chat: 'true', format: 'parquet' })).toMatchObject({
      chat: true,
    })
    expect(asked('preferences', { layout: 'preference', chat: 'false', format: 'csv' })).toMatchObject({ chat: false })
    for (const table of ExportTable.options)
      expect(
        asked(table, { since, ...(exportReads(table, 'rows').includes('taste') && { taste: 'others' }) }),
      ).toMatchObject({ since })
  })
})

describe('a filter is read strictly', () => {
  test.each<[string, string]>([
    ['minReliability', ''],
    ['minReliability', '1.01'],
    ['minReliability', '-0.1'],
    ['minReliability', '1e-1'],
    ['minReliability', ' 0.5'],
    ['minVotes', '1.5'],
    ['minVotes', '-1'],
    ['minVotes', ''],
    ['since', '2026-01-01'],
    ['since', 'yesterday'],
    ['since', '0000-01-01T00:00:00+01:00'],
    ['until', '9999-12-31T23:59:59-01:00'],
    ['names', '1'],
    ['names', ''],
    ['taste', 'all'],
    ['after', 'x'],
    ['after', '-'.repeat(36)],
    ['licence', 'my own'],
    ['consent', ' '],
  ])('%s=%j', (name, value) => {
    expect(ExportQuery.safeParse({ [name]: value }).error?.issues[0]?.path).toEqual([name])
  })
})
