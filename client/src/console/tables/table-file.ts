/** A table as a file: CSV and JSON. Pure. */

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
  cell === null ? '' : typeof cell === 'string' ? `"${neutralised(cell).replaceAll('"', '""')}"` : String(cell)

/**
 * What a spreadsheet takes for a formula: OWASP's first characters (CSV injection) and their full-width forms, also
 * behind blanks and invisible characters, which some programs skip, and behind apostrophes that stand there already.
 */
const FORMULA = /^'*(?:[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]|[\t\r\n])/u
const NUMBER = /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i

/** A text that a spreadsheet shows as it is: an apostrophe precedes what it would compute. Plain numbers stay. */
const neutralised = (text: string): string => (FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text)
