/** What the reader should know of this browser's storage; null where all is well or they have read it. */
import { storage, type StorageTrouble } from './storage.ts'

const words: Record<StorageTrouble, string> = {
  refused:
    'This browser lets the page keep nothing. Everything works, but your account, your settings and half-written votes end with this tab.',
  full: 'This browser’s storage is full. Everything works, but what you write from now on may be gone after a reload. Clearing other sites’ data helps.',
  damaged:
    'Something that this browser had kept for the page could not be read, and was dropped. The rest is as it was.',
}
const gravity: readonly StorageTrouble[] = ['damaged', 'full', 'refused']

let worst = $state<StorageTrouble | null>(null)
let read = $state(false)

storage.onTrouble((trouble) => {
  if (worst !== null && gravity.indexOf(trouble) <= gravity.indexOf(worst)) return
  // Told while a component reads what is kept: shown once that is done.
  queueMicrotask(() => {
    worst = trouble
    read = false
  })
})

export const storageNote = {
  get text(): string | null {
    return worst === null || read ? null : words[worst]
  },
  dismiss(): void {
    read = true
  },
}
