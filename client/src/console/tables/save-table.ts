/** Hands a table of the page to the browser as a file. */
import { pageOf } from '../../ledger/address.ts'
import { saveFile } from '../data/download.ts'
import { csvOf, jsonOf, type Table } from './table-file.ts'

export type TableFormat = 'csv' | 'json'

/** @param what is in it: the file's name, behind that of the page's run */
export function saveTable(what: string, table: Table, format: TableFormat): void {
  if (format === 'csv') save(`${what}.csv`, csvOf(table), 'text/csv; charset=utf-8; header=present')
  else save(`${what}.json`, jsonOf(table), 'application/json')
}

export const saveJson = (what: string, value: unknown): void =>
  save(`${what}.json`, `${JSON.stringify(value, null, 2)}\n`, 'application/json')

function save(name: string, text: string, type: string): void {
  const page = pageOf(location.pathname)
  const run = 'id' in page && page.id !== null ? `${page.id}-` : ''
  saveFile({ name: `${run}${name.toLowerCase().replaceAll(/[^a-z0-9.]+/g, '-')}`, blob: new Blob([text], { type }) })
}
