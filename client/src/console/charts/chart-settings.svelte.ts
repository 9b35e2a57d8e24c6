/** How charts are drawn for a researcher; kept in this browser. */
import { z } from 'zod'
import { storage } from '../../ui/storage.ts'
import { MOST_SMOOTHING } from './smoothing.ts'

const KEY = 'attune.charts'
const Kept = z.object({ smoothing: z.number().min(0).max(MOST_SMOOTHING), log: z.boolean() })
const usual: z.infer<typeof Kept> = { smoothing: 0, log: false }

let kept = $state.raw(storage.readJson(KEY, Kept) ?? usual)

addEventListener('storage', (change) => {
  if (change.key === KEY) kept = storage.readJson(KEY, Kept) ?? usual
})

export const chartSettings = {
  /** The weight of what was before, 0: none. */
  get smoothing(): number {
    return kept.smoothing
  },
  /** Whether the axes of values are logarithmic. */
  get log(): boolean {
    return kept.log
  },
  set(changed: Partial<z.infer<typeof Kept>>): void {
    kept = { ...kept, ...changed }
    storage.writeJson(KEY, kept)
  },
}
