/** A receipt in words. Pure. */
import type { Receipt } from '../../server/protocol.ts'

export interface Effect {
  direction: 'up' | 'down' | 'none'
  sign: string
  words: string
}

/** What the update did to the answer that the vote was on: its advantage is above 0 where the answer became likelier. */
export function effectOf({ advantage }: Pick<Receipt, 'advantage'>): Effect {
  if (advantage === null) return { direction: 'none', sign: '•', words: 'it taught the reward model' }
  if (advantage > 0) return { direction: 'up', sign: '↑', words: 'answers like it became likelier' }
  if (advantage < 0) return { direction: 'down', sign: '↓', words: 'answers like it became rarer' }
  return { direction: 'none', sign: '=', words: 'the answer stayed as likely as it was' }
}
