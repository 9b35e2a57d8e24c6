/** Light, dark, or whatever the system says; kept in this browser. */
import { storage } from './storage.ts'

export type Theme = 'system' | 'light' | 'dark'

const KEY = 'attune.theme'
const stored = storage.getItem(KEY)
const system = matchMedia('(prefers-color-scheme: dark)')

let choice = $state<Theme>(stored === 'light' || stored === 'dark' ? stored : 'system')
let systemDark = $state(system.matches)
system.addEventListener('change', (change) => {
  systemDark = change.matches
})

export const theme = {
  get choice(): Theme {
    return choice
  },
  get dark(): boolean {
    return choice === 'system' ? systemDark : choice === 'dark'
  },
  set(next: Theme): void {
    choice = next
    storage.setItem(KEY, next)
    apply()
  },
}

function apply(): void {
  if (choice === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = choice
}
apply()
