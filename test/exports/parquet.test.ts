import { parquetMetadata } from 'hyparquet'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { limits } from '../../core/protocol/index.ts'
import { columnsOf } from '../../server/exports/columns.ts'
import { Messages } from '../../server/exports/layouts/layout.ts'
import { parquetFile } from './pages.ts'

const schema = z.object({
  id: z.string(),
  time: z.iso.datetime(),
  seq: z.int(),
  score: z.number().nullable(),
  late: z.boolean(),
  comments: z.string().nullable(),
  tags: z.array(z.string()),
  categories: z.array(z.object({ name: z.string(), score: z.number() })),
  content: z.unknown(),
  messages: Messages,
})
const columns = columnsOf(schema)
const row = (i: number, more: object = {}) => ({
  ...{ id: `row ${i}`, time: '2026-01-02T03:04:05.678Z', seq: 2 ** 40 + i, score: i / 3, late: i % 2 === 0 },
  ...{ comments: null, tags: [], categories: [], content: null },
  messages: [{ role: 'user', content: `ü ${i}` }],
  ...more,
})

test('a reader gets the rows back, with times as times, lists as lists and what has no type as JSON', async () => {
  const rows = [
    row(1),
    row(2, { score: null, comments: '', tags: ['kind', ''], content: { a: [1] } }),
    row(3, {
      categories: [
        { name: 'helpfulness', score: 8 },
        { name: 'a', score: 1.5 },
      ],
    }),
  ]
  const { rows: read } = await parquetFile(columns, rows)
  expect(read).toEqual(
    rows.map(({ time, seq, content, ...rest }) => ({
      ...rest,
      time: new Date(time),
      seq: BigInt(seq),
      content: content === null ? null : JSON.stringify(content),
    })),
  )
})

test('a file without rows has its columns', async () => {
  const { file, rows } = await parquetFile(columns, [])
  expect(rows).toEqual([])
  const { schema: elements, num_rows } = parquetMetadata(file)
  expect(num_rows).toBe(0n)
  expect(elements.map(({ name }) => name)).toEqual(expect.arrayContaining(columns.map(({ name }) => name)))
})

describe('memory stays bounded: a row group is written as soon as it is full', () => {
  const texts = columnsOf(z.object({ id: z.string(), text: z.string() }))
  const groupsOf = (file: ArrayBuffer) => parquetMetadata(file).row_groups.map(({ num_rows }) => Number(num_rows))

  test('by rows', async () => {
    const many = Array.from({ length: 2 * limits.exportGroupRows + 1 }, (_, i) => ({ id: `${i}`, text: '' }))
    const { file, chunks, rows } = await parquetFile(texts, many, 500)
    expect(groupsOf(file)).toEqual([limits.exportGroupRows, limits.exportGroupRows, 1])
    expect(chunks).toHaveLength(4)
    expect(rows).toEqual(many)
  })

  test('by the length of its texts', async () => {
    const long = 'x'.repeat(limits.exportGroupChars / 2)
    const { file } = await parquetFile(
      texts,
      ['a', 'b', 'c'].map((id) => ({ id, text: long })),
      1,
    )
    expect(groupsOf(file)).toEqual([2, 1])
  })
})
