/** Whether single keys are shortcuts in this browser (WCAG 2.1.4). */
import { storage } from '../ui/storage.ts'

const KEY = 'attune.single-keys'
let on = $state(storage.getItem(KEY) !== 'off')

addEventListener('storage', (change) => {
  if (change.key === KEY) on = change.newValue !== 'off'
})

export const singleKeys = {
  get on(): boolean {
    return on
  },
  toggle(): void {
    on = !on
    storage.setItem(KEY, on ? 'on' : 'off')
  },
}
