/**
 * Preferences within one rater's own ratings: what they say of an answer in comparison with their others to the same
 * prompt, which takes out how lenient this rater is, and what this prompt is like.
 *
 * A rater's ratings of k answers to one prompt are `y_i = f_i + ℓ + ε_i`: the leniency ℓ, of η times the noise's
 * variance, is common to them, and so they say less than k ratings of k people about the level of the k answers, and
 * more about how these differ. With ω the weight of a rating that stands alone, their joint precision is
 *
 *     ω (1 + η) (I - η / (1 + k η) 11ᵀ)  =  a I + p (k I - 11ᵀ),   a = ω (1 + η) / (1 + k η),   p = η a
 *
 * which is exactly k ratings of weight a, and a difference of weight p for each of their pairs (`k I - 11ᵀ` is the sum
 * of `(e_i - e_j)(e_i - e_j)ᵀ` over pairs). Nothing is counted twice: the k(k - 1)/2 differences together weigh as the
 * k - 1 that are independent, by ω (1 + η) each, and the ratings keep what is left. One rating alone is itself: a = ω.
 *
 * Source of the model: a random intercept for each rater and prompt, Laird and Ware 1982; why comparisons are more
 * reliable than ratings: Thurstone 1927.
 */
import { logit, type RewardPreference, type RewardVote } from './examples.ts'

/** A vote whose author and prompt are known. */
export interface RatersVote extends RewardVote {
  raterId: string
  /** The prompt's text, or its id. */
  prompt: string
}

/** η: the variance of leniency over that of the rest of a vote. People differ in leniency by 0.1, in a vote by 0.14. */
const LENIENCY = 0.5

/** Ratings of one rater and prompt that are compared with each other: with more, pairs would grow as the square. */
const MOST_TOGETHER = 8

/**
 * Pure. Votes with the weight that their ratings keep, and the preferences between them. A prompt's answers that one
 * rater has rated are compared in runs of at most 8, in the order of `votes`.
 */
export function preferencesOf(votes: readonly RatersVote[]): { votes: RewardVote[]; preferences: RewardPreference[] } {
  const found = runsOf(votes).map(comparisons)
  const kept = new Map(found.flatMap((run) => run.votes.map((vote): [string, RewardVote] => [vote.id, vote])))
  return {
    votes: votes.map((vote) => kept.get(vote.id) ?? plain(vote)),
    preferences: found.flatMap((run) => run.preferences),
  }
}

const plain = ({ id, sampleId, weight, scores }: RatersVote): RewardVote => ({ id, sampleId, weight, scores })

/** Votes of one rater on different answers to one prompt, at most {@link MOST_TOGETHER} in a run. */
function runsOf(votes: readonly RatersVote[]): RatersVote[][] {
  const runs = new Map<string, RatersVote[][]>()
  for (const vote of votes) {
    if (!(vote.weight > 0)) continue
    const key = JSON.stringify([vote.raterId, vote.prompt])
    const of = runs.get(key) ?? []
    const last = of.at(-1)
    if (last && last.length < MOST_TOGETHER && last.every(({ sampleId }) => sampleId !== vote.sampleId)) last.push(vote)
    else of.push([vote])
    runs.set(key, of)
  }
  return [...runs.values()].flat()
}

function comparisons(run: readonly RatersVote[]): { votes: RewardVote[]; preferences: RewardPreference[] } {
  const kept = (1 + LENIENCY) / (1 + run.length * LENIENCY)
  return {
    votes: run.map((vote) => ({ ...plain(vote), weight: kept * vote.weight })),
    preferences: run.flatMap((a, i) =>
      run.slice(i + 1).map((b): RewardPreference => ({
        id: `${a.id} ${b.id}`,
        sampleA: a.sampleId,
        sampleB: b.sampleId,
        weight: LENIENCY * kept * Math.sqrt(a.weight * b.weight),
        differences: differencesOf(a.scores, b.scores),
      })),
    ),
  }
}

/** By the heads that both have. */
function differencesOf(a: RewardVote['scores'], b: RewardVote['scores']): Record<string, number> {
  const heads = Object.keys(a).filter((head) => Object.hasOwn(b, head))
  return Object.fromEntries(heads.map((head) => [head, logit(a[head]!) - logit(b[head]!)]))
}
