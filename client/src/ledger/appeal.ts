/** An appeal in words. Pure. */
import type { Appeal, AppealGround } from '../../../core/protocol/index.ts'
import { plural } from '../ui/format.ts'

export const groundTitles: Record<AppealGround, string> = {
  'not-counted': 'My vote was not counted',
  'wrong-weight': 'Its weight is wrong',
  'wrong-record': 'Its record differs from what I did',
  other: 'Something else',
}

/** The status of an appeal, as its author reads it. */
export function fateOf({ state, decision, correction }: Appeal): string {
  if (decision === null) return 'You have appealed. A validator will look at it.'
  if (state === 'dismissed') return `Your appeal was dismissed: ${decision.reason}`
  const upheld = `Your appeal was upheld: ${decision.reason}`
  if (correction === null) return `${upheld} One of the next epochs corrects it.`
  return `${upheld} Corrected in epoch ${correction.epochId}: ${correction.credit === 0 ? 'the credit was already full' : `${plural(correction.credit, 'credit point')} more`}.`
}
