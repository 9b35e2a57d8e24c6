/** What the reader should know about this browser's storage; null where all is well or they have read it. */
import { storage, type StorageTrouble } from './storage.ts'

const words: Record<StorageTrouble, string> = {
  refused:
    'This browser does not let the page store anything. Everything works, but your account, settings and unfinished votes are lost when this tab closes.',
  full: 'This browser’s storage is full. Everything works, but what you enter from now on may be lost after a reload. Clearing other sites’ data helps.',
  damaged: 'Some data stored in this browser was damaged and has been discarded. The rest is unaffected.',
}
const gravity: readonly StorageTrouble[] = ['damaged', 'full', 'refused']

let worst = $state<StorageTrouble | null>(null)
let read = $state(false)

storage.onTrouble((trouble) => {
  if (worst !== null && gravity.indexOf(trouble) <= gravity.indexOf(worst)) return
  // Notified while a component reads what is kept: shown once that is done.
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
