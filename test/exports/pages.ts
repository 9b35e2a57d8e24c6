import { text } from 'node:stream/consumers'
import { parquetReadObjects } from 'hyparquet'
import type { Column, Row } from '../../server/exports/columns.ts'
import type { Format } from '../../server/exports/formats/format.ts'
import { parquet } from '../../server/exports/formats/parquet.ts'

/** Rows as a table gives them, `size` a page. */
export async function* pagesOf(rows: readonly Row[], size = 2): AsyncGenerator<Row[]> {
  for (let from = 0; from < rows.length; from += size) yield rows.slice(from, from + size)
}

export const written = (format: Format, columns: readonly Column[], rows: readonly Row[], continued = false) =>
  text(format.write(columns, pagesOf(rows), continued))

/** A Parquet file of these rows, and the sizes of the chunks that it came in. */
export async function parquetFile(columns: readonly Column[], rows: readonly Row[], size = 2) {
  const chunks: Uint8Array[] = []
  for await (const chunk of parquet.write(columns, pagesOf(rows, size), false)) chunks.push(Buffer.from(chunk))
  const whole = Buffer.concat(chunks)
  const file = whole.buffer.slice(whole.byteOffset, whole.byteOffset + whole.byteLength)
  return { chunks, file, rows: await parquetReadObjects({ file }) }
}
