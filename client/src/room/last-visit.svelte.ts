/** The room that was left last, until its summary is closed or another room is entered. */
import type { Summary } from './summary.ts'

let summary = $state.raw<Summary | null>(null)

export const lastVisit = {
  get summary(): Summary | null {
    return summary
  },
  set summary(next: Summary | null) {
    summary = next
  },
}
