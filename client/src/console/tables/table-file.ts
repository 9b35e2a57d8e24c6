/** A table as a file: CSV and JSON. Pure. */
import { neutralised } from '../../../../core/protocol/index.ts'

/** null: not known. */
export type Cell = string | number | boolean | null

export interface Table {
  columns: readonly string[]
  /** Each has a cell for every column. */
  rows: readonly (readonly Cell[])[]
}

/**
 * CSV as RFC 4180 has it: a header, commas, CRLF, every text in quotes; what is not known is an empty cell, an empty
 * text is `""`.
 */
export const csvOf = ({ columns, rows }: Table): string => [columns, ...rows].map(line).join('')

/** A list of objects, whose keys are the columns. */
export const jsonOf = ({ columns, rows }: Table): string =>
  `${JSON.stringify(
    rows.map((row) => Object.fromEntries(columns.map((column, i) => [column, row[i] ?? null]))),
    null,
    2,
  )}\n`

const line = (cells: readonly Cell[]): string => `${cells.map(written).join(',')}\r\n`

const written = (cell: Cell): string =>
  cell === null ? '' : typeof cell === 'string' ? `"${shown(cell).replaceAll('"', '""')}"` : String(cell)

const NUMBER = /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i

/** As a spreadsheet shows it; plain numbers stay. */
const shown = (text: string): string => (NUMBER.test(text) ? text : neutralised(text))
