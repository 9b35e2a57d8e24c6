/** Whether answers are shown as Markdown or as the model wrote them; kept in this browser. */
import { storage } from './storage.ts'

const KEY = 'attune.view'
let raw = $state(storage.getItem(KEY) === 'raw')

addEventListener('storage', (change) => {
  if (change.key === KEY) raw = change.newValue === 'raw'
})

export const view = {
  get raw(): boolean {
    return raw
  },
  toggle(): void {
    raw = !raw
    storage.setItem(KEY, raw ? 'raw' : 'rendered')
  },
}
