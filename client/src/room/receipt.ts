/** A receipt in words: what its step did to the very answer that was voted on, and nothing that did not happen. Pure. */
import type { Receipt, SessionStatus } from '../../../core/protocol/index.ts'
import { count, duration, fixed } from '../ui/format.ts'

export interface Effect {
  /** What became of the answer's probability; `none`: nothing that can be told, or the answer was not in the update. */
  direction: 'up' | 'down' | 'none'
  sign: string
}

/** Changes of a log-probability below this can't be told from rounding, nats: 0.05 % of a probability. */
const TELLABLE = 5e-4
/** A rating that wants the answer likelier, or rarer, of 10. */
const HIGH = 7
const LOW = 4

/**
 * The receipt as sentences. Provisional or final, it says the same: a final step is as it was.
 *
 * @param given the vote's rating, 1 to 10, where it is known: an answer that moved against it says why
 */
export function sentenceOf(receipt: Receipt, given: number | null = null): string {
  return receipt.setAside === true ? `${usedBy(receipt, given)}${SET_ASIDE}` : usedBy(receipt, given)
}

/** Of a step that the run was taken back to before. */
const SET_ASIDE = ' The run was taken back to an earlier step since, and no longer learns from it; this receipt stands.'

function usedBy(receipt: Receipt, given: number | null): string {
  const { weight, latencyMs, updated, logprob, advantage } = receipt
  const step = `Step ${count(receipt.step)}`
  const after = `${duration(latencyMs)} after you sent it`
  if (!updated) return `${step} read your vote and changed nothing: its update left the model as it was.`
  if (logprob === null && advantage === null)
    return `${step} learnt from your vote, ${after}: it taught the reward model only, as the answer was not part of the update.`
  const used =
    weight > 0
      ? `${step} used your vote with weight ${fixed(weight)}, ${after}.`
      : `${step} read your vote, ${after}, and gave it no weight.`
  return [used, movedBy(receipt), against(receipt, given)].filter(Boolean).join(' ')
}

/** Which way the answer's probability went. */
export function effectOf({ updated, logprob }: Pick<Receipt, 'updated' | 'logprob'>): Effect {
  if (!updated) return { direction: 'none', sign: '=' }
  if (logprob === null) return { direction: 'none', sign: '•' }
  const moved = logprob.after - logprob.before
  if (!(Math.abs(moved) >= TELLABLE)) return { direction: 'none', sign: '=' }
  return moved > 0 ? { direction: 'up', sign: '↑' } : { direction: 'down', sign: '↓' }
}

/** How far a receipt can be relied on: beside the sentence, which stays as it is. */
export function standingOf(
  { provisional }: Pick<Receipt, 'provisional'>,
  run: { undone: boolean; status: SessionStatus },
): string {
  if (!provisional) return 'final'
  if (run.status === 'completed' || run.status === 'failed') return 'not counted: the run ended before this was final'
  if (run.undone) return 'void: a vote was withdrawn, and the step is made again'
  if (run.status === 'paused') return 'counted; final once the run goes on'
  return 'counted; final in a few seconds'
}

/** What the update did to the answer: a factor in words, the log-probability as a number. */
function movedBy({ updated, logprob }: Receipt): string {
  if (logprob === null) return 'How likely it made the answer was not measured at the time.'
  const numbers = `(log-probability ${spanOf(logprob)} nats)`
  switch (effectOf({ updated, logprob }).direction) {
    case 'up':
      return `This answer became ${factorOf(logprob.after - logprob.before)} times as likely ${numbers}.`
    case 'down':
      return `This answer became less likely, ${factorOf(logprob.after - logprob.before)} times as likely as before ${numbers}.`
    case 'none':
      return logprob.after === logprob.before
        ? `This answer stayed as likely as it was ${numbers}.`
        : `How likely this answer is changed by less than can be told ${numbers}.`
  }
}

/** exp(moved) with as many digits as tell it from 1. */
function factorOf(moved: number): string {
  if (moved > Math.log(1_000)) return 'more than 1,000'
  if (moved < -Math.log(1_000)) return 'less than 0.001'
  const factor = Math.exp(moved)
  if (factor >= 2) return factor.toFixed(factor >= 10 ? 0 : 1)
  if (factor < 0.1) return factor.toPrecision(2)
  return factor.toFixed(Math.abs(factor - 1) < 0.01 ? 4 : 2)
}

/** "−41.24 → −41.16", with as many digits as tell the two apart, two to four. */
function spanOf({ before, after }: { before: number; after: number }): string {
  const moved = Math.abs(after - before)
  const digits = Math.min(4, Math.max(2, moved > 0 ? Math.ceil(-Math.log10(moved)) : 2))
  const written = (value: number): string => value.toFixed(digits).replace('-', '−')
  return `${written(before)} → ${written(after)}`
}

/** Why the answer moved against the vote, if it did. */
function against({ logprob, advantage, updated }: Receipt, given: number | null): string {
  const { direction } = effectOf({ logprob, updated })
  const is = (wanted: typeof direction) => direction === wanted
  if (given === null || advantage === null || !((is('down') && given >= HIGH) || (is('up') && given <= LOW))) return ''
  const meant = is('down') ? advantage < 0 : advantage > 0
  return meant
    ? `You gave it ${given}, but by all votes and the model’s other answers it came out ${is('down') ? 'worse' : 'better'} than expected.`
    : `You gave it ${given}, and the update meant to make it ${is('down') ? 'likelier' : 'rarer'}: what the model learnt from other answers, or the pull back to the reference, weighed more.`
}

/** Comparable votes, and their reliability, as of which a rater is known (core/votes/comparisons.ts). */
const KNOWN = { votes: 8, reliability: 0.3 }

/** How much a rater's votes weigh here, why, and what would raise it. */
export function trustOf({ comparable, reliability }: Pick<Receipt, 'comparable' | 'reliability'>): string {
  if (comparable < KNOWN.votes) {
    const have =
      comparable === 0 ? 'None of your votes' : comparable === 1 ? 'One of your votes' : `${comparable} of your votes`
    return `${have} could be compared with others’ so far: the more can, and the better they agree, the more each weighs.`
  }
  const found =
    reliability < KNOWN.reliability
      ? 'they go neither with those of people who share your taste nor with each other, so they weigh next to nothing'
      : 'they weigh by how well they go with those of people who share your taste'
  return `${count(comparable)} of your votes could be compared with others’, and ${found}: reliability ${fixed(reliability)} of 1. Reading to the end and rating like answers alike raises it; how strict you are makes no difference.`
}
