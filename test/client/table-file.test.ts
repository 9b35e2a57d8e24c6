import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { csvOf, jsonOf, type Cell } from '../../client/src/console/tables/table-file.ts'

/** A reader of RFC 4180 that knows nothing of the writer. */
function read(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  const cell = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n)/y
  for (let match = cell.exec(text); match; match = cell.exec(text)) {
    const [, body = '', end] = match
    row.push(body.startsWith('"') ? body.slice(1, -1).replaceAll('""', '"') : body)
    if (end === ',') continue
    rows.push(row)
    row = []
  }
  return rows
}

describe('CSV', () => {
  test('is RFC 4180’s: commas, CRLF, texts in quotes; what is not known is empty', () => {
    const rows: Cell[][] = [
      ['a, "b"\nc', 0.5, null],
      ['', -1, true],
    ]
    expect(csvOf({ columns: ['text', 'n', 'more'], rows })).toBe(
      '"text","n","more"\r\n"a, ""b""\nc",0.5,\r\n"",-1,true\r\n',
    )
  })

  test('any text comes back as it was, but for the apostrophe before what a spreadsheet would compute', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.string()), { minLength: 1 }), (rows) => {
        const back = read(csvOf({ columns: ['a', 'b'], rows })).slice(1)
        expect(back).toHaveLength(rows.length)
        rows.flat().forEach((text, i) => expect([text, `'${text}`]).toContain(back.flat()[i]))
      }),
    )
  })

  test('no cell begins a formula; plain numbers stay', () => {
    const written = (text: string) => read(csvOf({ columns: ['a'], rows: [[text]] }))[1]?.[0]
    for (const text of ['=1+1', '+SUM(A1)', '-cmd|x', '@A1', '\t=1', '\r=1', ' =1', '＝1', "'=1", '-', '-1+1'])
      expect(written(text), JSON.stringify(text)).toBe(`'${text}`)
    for (const text of ['-1', '+0.5', '-1.5e-7', '12', 'a=b', '', '‘quoted’'])
      expect(written(text), JSON.stringify(text)).toBe(text)
  })
})

test('JSON is a list of objects by column', () => {
  const rows: Cell[][] = [
    [1, null],
    [2, 0.5],
  ]
  expect(JSON.parse(jsonOf({ columns: ['step', 'value'], rows }))).toEqual([
    { step: 1, value: null },
    { step: 2, value: 0.5 },
  ])
})
