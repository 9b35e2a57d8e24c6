/** A receipt in words. Pure. */
import type { Receipt } from '../../../core/protocol/index.ts'
import { duration, fixed } from '../ui/format.ts'

export interface Effect {
  direction: 'up' | 'down' | 'none'
  sign: string
  words: string
}

/**
 * The receipt as a sentence. A vote that came too late for its sample's update has no weight there, but still trains
 * the reward model.
 */
export function sentenceOf(receipt: Receipt): string {
  return receipt.setAside === true ? `${usedBy(receipt)}${SET_ASIDE}` : usedBy(receipt)
}

/** Of a step that the run was taken back to before. */
const SET_ASIDE = ' The run was taken back to an earlier step since, and no longer learns from it; this receipt stands.'

function usedBy(receipt: Receipt): string {
  const { step, weight, crowd, latencyMs, updated } = receipt
  if (updated === false) return `Step ${step} read your vote and changed nothing: its update left the model as it was.`
  const after = `${duration(latencyMs)} after you sent it`
  if (crowd === null) return `Step ${step} learnt from your vote: it taught the reward model, ${after}.`
  return `Step ${step} used your vote: weight ${fixed(weight)}, ${effectOf(receipt).words}, ${after}.${earning(receipt)}`
}

/** Comparable votes after which a rater is known (core/votes/reliability.ts). */
const KNOWN_VOTES = 8

/** Why a newcomer's vote has little weight, and how it gains more. */
function earning({ comparable }: Receipt): string {
  if (comparable >= KNOWN_VOTES) return ''
  const have =
    comparable === 0 ? 'None of your votes' : comparable === 1 ? 'One of your votes' : `${comparable} of your votes`
  return ` ${have} could be compared with others’ so far: the more can, and the better they agree, the more each weighs.`
}

/** What the update did to the answer that was voted on: its advantage is above 0 where the answer became likelier. */
export function effectOf({
  advantage,
  updated,
}: Pick<Receipt, 'advantage'> & Partial<Pick<Receipt, 'updated'>>): Effect {
  if (updated === false) return { direction: 'none', sign: '=', words: 'the model stayed as it was' }
  if (advantage === null) return { direction: 'none', sign: '•', words: 'it taught the reward model' }
  if (advantage > 0) return { direction: 'up', sign: '↑', words: 'answers like it became likelier' }
  if (advantage < 0) return { direction: 'down', sign: '↓', words: 'answers like it became rarer' }
  return { direction: 'none', sign: '=', words: 'the answer stayed as likely as it was' }
}
