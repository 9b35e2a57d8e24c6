/** The columns that a researcher has chosen for the table of runs; kept in this browser. */
import { z } from 'zod'
import { storage } from '../../ui/storage.ts'
import { runColumns, usualColumns } from '../runs/run-columns.ts'

const KEY = 'attune.runs.columns'
// Of a page of another version some may be unknown.
const Keys = z.array(z.string())

let chosen = $state.raw<readonly string[]>(storage.readJson(KEY, Keys) ?? usualColumns)

const [first, ...others] = runColumns
const shown = $derived(runColumns.filter((column) => column === first || chosen.includes(column.key)))

export const keptColumns = {
  /** What can be chosen. */
  others,
  get shown() {
    return shown
  },
  choose(key: string, wanted: boolean): void {
    chosen = wanted ? [...chosen, key] : chosen.filter((each) => each !== key)
    storage.writeJson(KEY, chosen)
  },
}
