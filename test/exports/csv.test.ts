import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { columnsOf } from '../../server/exports/columns.ts'
import { neutralised } from '../../core/protocol/index.ts'
import { csv, restored } from '../../server/exports/formats/csv.ts'
import { withCategories } from '../../server/exports/categories.ts'
import { pagesOf, written } from './pages.ts'

const columns = columnsOf(
  z.object({
    id: z.string(),
    text: z.string().nullable(),
    score: z.number().nullable(),
    late: z.boolean(),
    tags: z.array(z.string()),
  }),
)
const row = (more: object = {}) => ({ id: 'a', text: 'hello', score: -0.5, late: false, tags: [], ...more })

/** As RFC 4180 reads it: records of cells; null for an empty cell without quotes. */
function parsed(source: string): (string | null)[][] {
  const records: (string | null)[][] = [[]]
  for (let at = 0; at < source.length;) {
    const cell = /"((?:[^"]|"")*)"|([^,\r\n"]*)/y
    cell.lastIndex = at
    const [all, quoted, bare] = cell.exec(source)!
    records.at(-1)!.push(quoted !== undefined ? quoted.replaceAll('""', '"') : bare === '' ? null : bare!)
    at += all.length
    if (source.startsWith('\r\n', at)) {
      at += 2
      if (at < source.length) records.push([])
    } else if (source[at] === ',') at += 1
    else throw new Error(`no comma at ${at}: ${source.slice(at, at + 20)}`)
  }
  return records
}

test('quotes every text, ends every record with CRLF, and leaves a missing value empty', async () => {
  expect(await written(csv, columns, [row({ text: 'say "hi",\nthen go' }), row({ text: null, score: null })])).toBe(
    '"id","text","score","late","tags"\r\n"a","say ""hi"",\nthen go",-0.5,false,"[]"\r\n"a",,,false,"[]"\r\n',
  )
  expect(await written(csv, columns, [row({ text: '' })])).toContain('"a","",-0.5')
})

test('what goes on has no header', async () => {
  expect(await written(csv, columns, [row()], true)).toBe('"a","hello",-0.5,false,"[]"\r\n')
})

test('any text comes back from a reader of RFC 4180, once what was neutralised is restored', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', "'", '=', '-', '\t', ' ', 'a', 'é', '😀') })),
      async (texts) => {
        const [, ...records] = parsed(
          await written(
            csv,
            columns,
            texts.map((text) => row({ text })),
          ),
        )
        expect(records.map(([, text]) => restored(text!))).toEqual(texts)
      },
    ),
  )
})

describe('a spreadsheet computes nothing', () => {
  test.each([
    '=1+1',
    '+1',
    '-1',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    '\n=1',
    '＝1+1',
    '＋1',
    '－1',
    '＠a',
    ' =1',
    '\u200b=1',
    '\ufeff=1',
  ])('of %j', (text) => expect(neutralised(text)).toBe(`'${text}`))
  test.each(['', 'a=1', '1-2', "'quoted'", "it's", '(=1)', '"=1"', 'ａ＝１'])('and %j stays as it is', (text) =>
    expect(neutralised(text)).toBe(text),
  )
  test('numbers are numbers, below 0 too', async () => {
    expect(await written(csv, columns, [row({ score: -3 })])).toContain(',-3,')
  })
  test('of a column’s name', async () => {
    const { columns: more } = withCategories(columnsOf(z.object({ '=1': z.string() })), [])
    expect(await written(csv, more, [])).toBe('"\'=1"\r\n')
  })
  test('neutralising can be undone, whatever the text: two texts never become one', () => {
    const texts = fc.string({ unit: fc.constantFrom("'", '=', '-', '＝', '\t', '\n', ' ', '\u200b', 'a') })
    fc.assert(
      fc.property(texts, (text) => {
        expect(restored(neutralised(text))).toBe(text)
        expect(neutralised(text)).not.toMatch(/^[=+\-@\t\r\n＝＋－＠]/)
      }),
    )
  })
})

test('each category of the run has a column, and the list keeps what else there is', async () => {
  const categories = z.array(z.object({ name: z.string(), score: z.number(), weight: z.number() }))
  const { columns: wide, of } = withCategories(columnsOf(z.object({ categories })), ['helpfulness', 'safety'])
  const pages = pagesOf([
    { categories: [{ name: 'helpfulness', score: 8, weight: 1 }] },
    { categories: [{ name: 'own', score: 3, weight: 2 }] },
  ])
  const chunks: string[] = []
  for await (const chunk of csv.write(wide, of(pages), false)) chunks.push(String(chunk))
  expect(parsed(chunks.join(''))).toEqual([
    ['categories', 'category_helpfulness', 'category_safety'],
    ['[{"name":"helpfulness","score":8,"weight":1}]', '8', null],
    ['[{"name":"own","score":3,"weight":2}]', null, null],
  ])
})
