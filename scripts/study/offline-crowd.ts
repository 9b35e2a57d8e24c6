/** A simulated crowd without sockets: who votes on what in one voting window, and what their votes say. */
import { judge, type Temper } from '../crowd/judge.ts'
import { rate } from '../pretrain/oracle.ts'
import { hash, seededRandom, shuffled } from '../pretrain/random.ts'
import { categoryHead, COMPASSION, RATING } from '../../trainer/reward/model.ts'
import { unitScore } from '../../core/votes/value.ts'

export interface OfflineVote {
  id: string
  raterId: string
  sampleId: string
  /** By head of the reward model, in [0, 1]. */
  scores: Record<string, number>
}

export interface OfflineCrowd {
  raters: number
  temper: Temper
  /** Share of raters who invert what they see. */
  adversaries: number
  /** Share of the votes that come from strangers who vote once each and invert what they see. */
  strangers: number
  /** Standard deviation of a vote around the truth, on the scale 0…1. */
  noise: number
  categories: readonly string[]
  seed: number
}

/**
 * `count` votes on these answers: spread as evenly as possible over answers and raters, nobody twice on one answer, and
 * everybody beside everybody in the course of time. Were neighbours always the same, a group among them would meet
 * nobody but itself, and nobody could tell who is right.
 */
export function castVotes(
  crowd: OfflineCrowd,
  shown: readonly { sampleId: string; prompt: string; response: string }[],
  count: number,
): OfflineVote[] {
  const random = seededRandom(hash(`${crowd.seed}/${shown.map((s) => s.sampleId).join()}`))
  const votes: OfflineVote[] = []
  const most = Math.min(count, shown.length * crowd.raters)
  const order = shuffled(shown, random)
  const people = shuffled(
    Array.from({ length: crowd.raters }, (_, i) => i),
    random,
  )
  // After so many votes the same raters would come to the same answers: shifted by one, it is the next ones.
  const turn = (order.length * crowd.raters) / commonDivisor(order.length, crowd.raters)
  for (let i = 0; i < most; i++) {
    const sample = order[i % order.length]!
    const rater = people[(i + Math.floor(i / turn)) % crowd.raters]!
    votes.push(vote(crowd, rater, sample, random))
  }
  return votes
}

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b))

/** Somebody's inverted vote on each of these texts, as one account sends them by the thousand. */
export function castOnTexts(
  crowd: OfflineCrowd,
  texts: readonly { sampleId: string; prompt: string; response: string }[],
): OfflineVote[] {
  const random = seededRandom(hash(`${crowd.seed}/texts`))
  return texts.map((text) => ({
    ...vote({ ...crowd, adversaries: 1, strangers: 0 }, 0, text, random),
    raterId: 'author of texts',
  }))
}

function vote(
  crowd: OfflineCrowd,
  rater: number,
  sample: { sampleId: string; prompt: string; response: string },
  random: () => number,
): OfflineVote {
  const leniency = 0.05 * (2 * seededRandom(hash(`${crowd.seed}:${rater}`))() - 1) * Math.sqrt(3)
  const stranger = crowd.strangers > 0 && random() < crowd.strangers
  const temper = stranger || rater < crowd.adversaries * crowd.raters ? 'adversary' : crowd.temper
  const categories = crowd.categories.map((name) => ({ name }))
  const ballot = judge(
    rate(sample.prompt, sample.response),
    { temper, noise: crowd.noise, leniency, categories, tags: [] },
    random,
  )
  return {
    id: `${sample.sampleId}/${rater}`,
    raterId: stranger ? `stranger-${sample.sampleId}/${rater}` : `rater-${rater}`,
    sampleId: sample.sampleId,
    scores: {
      [RATING]: unitScore(ballot.humanRating),
      ...Object.fromEntries(ballot.categories.map(({ name, score }) => [categoryHead(name), unitScore(score)])),
      [COMPASSION]: ballot.compassionRating,
    },
  }
}
