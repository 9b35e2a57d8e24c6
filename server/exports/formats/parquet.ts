/** Parquet by hyparquet-writer, Snappy inside: a row group at a time is in memory. */
import { ByteWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer'
import { limits } from '../../../core/protocol/index.ts'
import type { Cell, Row, Shape } from '../columns.ts'
import type { Format } from './format.ts'

export const parquet: Format = {
  extension: '.parquet',
  type: 'application/vnd.apache.parquet',
  nests: true,
  // What a file holds is said at its end.
  continues: false,
  async *write(columns, pages) {
    const bytes = new ByteWriter()
    const schema = [
      { name: 'root', num_children: columns.length },
      ...columns.flatMap((column) => elements(column.name, column)),
    ]
    const file = new ParquetWriter({ writer: bytes, schema, createdBy: 'Attune' })
    for await (const rows of groupsOf(pages)) {
      const columnData = columns.map(({ name, shape }) => ({
        name,
        data: rows.map((row) => stored(shape, row[name] ?? null)),
        offsetIndex: false,
      }))
      await file.write({ columnData, rowGroupSize: rows.length })
      yield taken(bytes)
    }
    await file.finish()
    yield taken(bytes)
  },
}

/** What has been written since this was last called. */
function taken(bytes: ByteWriter): Uint8Array {
  const written = bytes.getBytes().slice()
  bytes.index = 0
  return written
}

async function* groupsOf(pages: AsyncIterable<readonly Row[]>): AsyncGenerator<Row[], void, undefined> {
  let group: Row[] = []
  let chars = 0
  for await (const page of pages) {
    for (const row of page) {
      group.push(row)
      for (const value of Object.values(row)) chars += typeof value === 'string' ? value.length : 0
    }
    if (group.length < limits.exportGroupRows && chars < limits.exportGroupChars) continue
    yield group
    ;[group, chars] = [[], 0]
  }
  if (group.length > 0) yield group
}

/** A column's schema, in the order in which a file has it: a group before its fields. */
function elements(name: string, { shape, nullable }: Cell): SchemaElement[] {
  const repetition_type = nullable ? 'OPTIONAL' : 'REQUIRED'
  const value = { name, repetition_type } as const
  switch (shape.type) {
    case 'integer':
      return [{ ...value, type: 'INT64' }]
    case 'number':
      return [{ ...value, type: 'DOUBLE' }]
    case 'boolean':
      return [{ ...value, type: 'BOOLEAN' }]
    case 'time':
      return [{ ...value, type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' }]
    case 'text':
    case 'json':
      return [{ ...value, type: 'BYTE_ARRAY', converted_type: 'UTF8' }]
    case 'list':
      return [
        { ...value, converted_type: 'LIST', num_children: 1 },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        ...elements('element', shape.of),
      ]
    case 'group':
      return [
        { ...value, num_children: shape.fields.length },
        ...shape.fields.flatMap((field) => elements(field.name, field)),
      ]
  }
}

/** A value as the writer wants it. */
function stored({ type }: Shape, value: unknown): unknown {
  if (value === null) return null
  if (type === 'time') return new Date(String(value))
  if (type === 'integer') return BigInt(Number(value))
  if (type === 'json') return JSON.stringify(value)
  return value
}
