import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TrainingConfig, type Sample, type TrainingSession } from '../../core/protocol/index.ts'
import { isFound, orderAfter, ordered, tableOf, textIn, type Column } from '../../client/src/console/tables/columns.ts'
import { filteredRuns, runColumns, usualColumns } from '../../client/src/console/runs/run-columns.ts'
import { filteredSamples, sampleColumns, savedSampleColumns } from '../../client/src/console/samples/samples.ts'

interface Row {
  id: number
  n: number | null
  name: string
}
const columns: Column<Row>[] = [
  { key: 'n', label: 'N', number: true, value: ({ n }) => n, text: ({ n }) => `${n}!` },
  { key: 'name', label: 'Name', value: ({ name }) => name },
]
const n = columns[0]!

describe('the order of rows', () => {
  test('is a column’s: equal ones as they were, what is not known last, whichever way it goes', () => {
    const lists = fc.array(fc.option(fc.integer({ min: 0, max: 4 })), { maxLength: 30 })
    fc.assert(
      fc.property(lists, fc.boolean(), (values, falling) => {
        const rows = values.map((value, id) => ({ id, n: value, name: '' }))
        const sorted = ordered(rows, columns, { key: 'n', falling })
        expect(sorted.map(({ id }) => id).sort((a, b) => a - b)).toEqual(rows.map(({ id }) => id))
        for (const [i, row] of sorted.slice(1).entries()) {
          const before = sorted[i]!
          if (before.n === null) expect(row.n).toBeNull()
          else if (row.n !== null) expect(falling ? before.n - row.n : row.n - before.n).toBeGreaterThanOrEqual(0)
          if (before.n === row.n) expect(row.id).toBeGreaterThan(before.id)
        }
      }),
    )
  })

  test('knows that run 10 comes after run 9, and without a column is that in which they came', () => {
    const rows = ['run 10', 'Run 9', 'an'].map((name, id) => ({ id, n: 0, name }))
    const names = (order: Parameters<typeof ordered>[2]) => ordered(rows, columns, order).map(({ name }) => name)
    expect(names({ key: 'name', falling: false })).toEqual(['an', 'Run 9', 'run 10'])
    expect([names(null), names({ key: 'gone', falling: true })]).toEqual([names(null), ['run 10', 'Run 9', 'an']])
  })

  test('is turned round by pressing the same header again; numbers begin with the largest', () => {
    const first = orderAfter(null, n)
    expect(first).toEqual({ key: 'n', falling: true })
    expect(orderAfter(first, n)).toEqual({ key: 'n', falling: false })
    expect(orderAfter(first, columns[1]!)).toEqual({ key: 'name', falling: false })
  })
})

test('a search finds all of its words, in any order, in capitals or not', () => {
  expect(isFound('', 'anything')).toBe(true)
  expect(isFound(' KIND  dem', 'Demo', 'a kind answer')).toBe(true)
  expect(isFound('kind cold', 'a kind answer')).toBe(false)
})

test('a table shows and saves its columns; what is not known is a dash, and null', () => {
  const row = { id: 1, n: null, name: 'x' }
  expect([textIn(n, row), textIn(n, { ...row, n: 2 })]).toEqual(['–', '2!'])
  expect(tableOf([row], columns)).toEqual({ columns: ['n', 'name'], rows: [[null, 'x']] })
})

describe('the table of runs', () => {
  const run = (more: Partial<TrainingSession>): TrainingSession => ({
    ...{ id: 'run-1', title: 'A first try', modelId: 'demo', userId: '', status: 'active', totalSteps: 1_000_000 },
    ...{ startTime: '2026-01-01T00:00:00.000Z', endTime: null, currentStep: 4, policyVersion: 4, metrics: {} },
    ...{ error: null, pauseReason: null, queue: null, blockchain: { recorded: 0, lastEpoch: null } },
    configuration: TrainingConfig.parse({}),
    ...more,
  })
  const any = { query: '', status: '', model: '' } as const

  test('is filtered by text, status and model together', () => {
    const runs = [run({}), run({ id: 'run-2', status: 'failed', error: 'out of memory' }), run({ modelId: 'other' })]
    const left = (filter: Partial<Parameters<typeof filteredRuns>[1]>) =>
      filteredRuns(runs, { ...any, ...filter }).map((each) => runs.indexOf(each))
    expect(left({})).toEqual([0, 1, 2])
    expect(left({ query: 'MEMORY' })).toEqual([1])
    expect(left({ status: 'active' })).toEqual([0, 2])
    expect(left({ status: 'active', model: 'demo', query: 'first' })).toEqual([0])
  })

  test('has a word or a number for every column of any run, and shows usual ones that exist', () => {
    const known = run({ metrics: { rewardScore: 0.456 }, endTime: '2026-01-02T00:00:00.000Z' })
    for (const each of [run({}), known])
      for (const column of runColumns) expect(textIn(column, each), column.key).not.toMatch(/undefined|NaN|^$/)
    const reward = runColumns.find(({ key }) => key === 'rewardScore')!
    expect([textIn(reward, run({})), textIn(reward, known), reward.value(known)]).toEqual(['–', '0.46', 0.456])
    expect(new Set(runColumns.map(({ key }) => key)).size).toBe(runColumns.length)
    for (const key of usualColumns) expect(runColumns.map((column) => column.key)).toContain(key)
  })
})

describe('the table of samples', () => {
  const sample = (id: string, more: Partial<Sample>): Sample => ({
    ...{ id, sessionId: 'demo', step: 1, origin: 'rollout', prompt: 'How are you?', response: 'Well.' },
    ...{ policyVersion: 1, status: 'open', crowd: null, mine: null, timestamp: '2026-01-01T00:00:00.000Z' },
    ...more,
  })
  const samples = [
    sample('a', { crowd: { value: 0.4, compassion: null, votes: 2 }, status: 'closed' }),
    sample('b', { origin: 'ask', response: 'Kindly.' }),
    sample('c', { crowd: { value: null, compassion: null, votes: 0 }, status: 'closed' }),
    sample('d', { crowd: { value: 0.9, compassion: 0.8, votes: 5 }, prompt: 'Be kind.' }),
  ]
  const left = (filter: Partial<Parameters<typeof filteredSamples>[1]>) =>
    filteredSamples(samples, { query: '', status: '', origin: '', voted: false, ...filter }).map(({ id }) => id)

  test('is filtered by text, status, origin and votes together', () => {
    expect(left({})).toEqual(['a', 'b', 'c', 'd'])
    expect(left({ query: 'kind' })).toEqual(['b', 'd'])
    expect(left({ status: 'closed' })).toEqual(['a', 'c'])
    expect(left({ origin: 'ask' })).toEqual(['b'])
    expect(left({ voted: true })).toEqual(['a', 'd'])
    expect(left({ voted: true, status: 'closed' })).toEqual(['a'])
  })

  test('is ordered by the crowd’s value, and saved with what names each', () => {
    const byValue = ordered(samples, sampleColumns, { key: 'value', falling: true })
    expect(byValue.map(({ id }) => id)).toEqual(['d', 'a', 'b', 'c'])
    const { columns: saved, rows } = tableOf(byValue.slice(0, 1), savedSampleColumns)
    expect(Object.fromEntries(saved.map((key, i) => [key, rows[0]?.[i]]))).toMatchObject({
      ...{ id: 'd', prompt: 'Be kind.', answer: 'Well.', value: 0.9, compassion: 0.8, votes: 5 },
      ...{ origin: 'rollout', status: 'open' },
    })
  })
})
