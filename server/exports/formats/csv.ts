/**
 * CSV as RFC 4180 has it: commas, CRLF, a header, every text in quotes; a missing value is an empty cell, an empty text
 * is `""`. Lists and groups are JSON in their cell.
 */
import { isFormula, neutralised } from '../../../core/protocol/index.ts'
import type { Column, Row } from '../columns.ts'
import type { Format } from './format.ts'

export const csv: Format = {
  extension: '.csv',
  type: 'text/csv; charset=utf-8; header=present',
  nests: false,
  continues: true,
  async *write(columns, pages, continued) {
    let head = continued ? '' : line(columns.map(({ name }) => quoted(name)))
    for await (const page of pages) {
      yield head + page.map((row) => line(columns.map((column) => cell(column, row)))).join('')
      head = ''
    }
    if (head !== '') yield head
  },
}

const line = (cells: readonly string[]): string => `${cells.join(',')}\r\n`

function cell({ name, shape }: Column, row: Row): string {
  const value = row[name] ?? null
  if (value === null) return ''
  switch (shape.type) {
    case 'integer':
    case 'number':
    case 'boolean':
      return String(value)
    case 'text':
    case 'time':
      return quoted(String(value))
    case 'json':
    case 'list':
    case 'group':
      return quoted(JSON.stringify(value))
  }
}

const quoted = (text: string): string => `"${neutralised(text).replaceAll('"', '""')}"`

/** The inverse of {@link neutralised}, for whoever reads such a file: every text comes back as it was. */
export const restored = (text: string): string => (text.startsWith("'") && isFormula(text) ? text.slice(1) : text)
