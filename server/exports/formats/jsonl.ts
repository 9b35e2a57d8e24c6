import type { Row } from '../columns.ts'
import type { Format } from './format.ts'

/** One JSON object a line, with every column in every line. */
export const jsonl: Format = {
  extension: '.jsonl',
  type: 'application/x-ndjson; charset=utf-8',
  nests: true,
  continues: true,
  async *write(columns, pages) {
    const names = columns.map(({ name }) => name)
    for await (const page of pages) yield page.map((row) => `${JSON.stringify(inOrder(row, names))}\n`).join('')
  },
}

function inOrder(row: Row, names: readonly string[]): Row {
  const line: Record<string, unknown> = {}
  for (const name of names) line[name] = row[name] ?? null
  return line
}
