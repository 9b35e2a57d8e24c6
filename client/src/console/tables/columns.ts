/** Tables whose rows are searched, ordered and saved by their columns. Pure. */
import type { Cell, Table } from './table-file.ts'

export interface Column<Row> {
  /** As a file has it. */
  key: string
  label: string
  /** What rows are ordered and saved by. */
  value: (row: Row) => Cell
  /** As the table writes it; absent: as it is. */
  text?: (row: Row) => string
  /** The largest come first where it is chosen. */
  number?: boolean
}

export interface Order {
  key: string
  falling: boolean
}

/** How a column's cell is written in a table. */
export const textIn = <Row>({ value, text }: Column<Row>, row: Row): string => {
  const cell = value(row)
  return cell === null ? '–' : (text?.(row) ?? String(cell))
}

/** The order once a column's header is pressed: by that column, and the other way round if it was by it before. */
export const orderAfter = <Row>(order: Order | null, { key, number = false }: Column<Row>): Order =>
  order?.key === key ? { key, falling: !order.falling } : { key, falling: number }

/** Rows in the order of a column: equal ones as they were, what is not known last, whichever way it goes. */
export function ordered<Row>(rows: readonly Row[], columns: readonly Column<Row>[], order: Order | null): Row[] {
  const column = columns.find(({ key }) => key === order?.key)
  if (order === null || column === undefined) return [...rows]
  const sign = order.falling ? -1 : 1
  return rows
    .map((row) => ({ row, cell: column.value(row) }))
    .sort((a, b) =>
      a.cell === null || b.cell === null
        ? Number(a.cell === null) - Number(b.cell === null)
        : sign * compared(a.cell, b.cell),
    )
    .map(({ row }) => row)
}

const words = new Intl.Collator('en', { numeric: true, sensitivity: 'base' })
const compared = (a: NonNullable<Cell>, b: NonNullable<Cell>): number =>
  typeof a === 'string' || typeof b === 'string' ? words.compare(String(a), String(b)) : Number(a) - Number(b)

/** Whether every word of a query is somewhere in these texts; upper and lower case are alike. */
export function isFound(query: string, ...texts: readonly string[]): boolean {
  const text = texts.join('\n').toLowerCase()
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word))
}

export const tableOf = <Row>(rows: readonly Row[], columns: readonly Column<Row>[]): Table => ({
  columns: columns.map(({ key }) => key),
  rows: rows.map((row) => columns.map(({ value }) => value(row))),
})
