import { describe, expect, it } from 'vitest'
import { crowdValue } from '../../core/votes/crowd.ts'
import { weigh, type CastVote } from '../../core/votes/weights.ts'
import { seededRandom } from '../../scripts/pretrain/random.ts'

const mean = (x: readonly number[]) => x.reduce((a, b) => a + b, 0) / x.length
const clamp = (x: number) => Math.min(1, Math.max(0, x))

function correlation(a: readonly number[], b: readonly number[]): number {
  const product = (x: readonly number[], y: readonly number[]) =>
    mean(x.map((v, i) => (v - mean(x)) * (y[i]! - mean(y))))
  return product(a, b) / Math.sqrt(product(a, a) * product(b, b))
}

interface Room {
  raters: number
  /** Of the votes that are strangers'. */
  share: number
  /** Votes that a stranger gives before the next one comes. */
  each: number
  votesPerAnswer: number
  /** Answers that are voted on at one moment. */
  together: number
}

/** Votes on 120 answers, a share of them by guests who vote a few times each, the opposite of what they see. */
function infiltrated({ raters, share, each, votesPerAnswer, together }: Room) {
  const random = seededRandom(raters + 100 * share)
  const truth = Array.from({ length: 120 }, () => random())
  let guests = 0
  const votes = truth.flatMap((t, s) => {
    const regulars = Array.from({ length: raters }, (_, i) => i).sort(() => random() - 0.5)
    return Array.from({ length: votesPerAnswer }, (_, k): CastVote => {
      const guest = random() < share
      const noise = (random() + random() + random() - 1.5) * 0.2
      return {
        raterId: guest ? `guest-${Math.floor(guests++ / each)}` : `regular-${regulars[k]}`,
        ...{ sampleId: `s${s}`, value: clamp((guest ? 1 - t : t) + noise), at: 1_000 * (s - (s % together)) },
        ...{ source: null, origin: 'rollout', ownQuestion: false, late: false },
      }
    })
  })
  return { votes, truth }
}

function outcomeOf(room: Room) {
  const { votes, truth } = infiltrated(room)
  const { onAnswer, values, raters } = weigh(votes)
  const crowd = truth.map((_, s) =>
    crowdValue(
      votes.flatMap((v, i) => (v.sampleId === `s${s}` ? [{ value: values[i]!, weight: onAnswer[i]! }] : [])),
      { mean: 0.5, deviation: 0 },
    ),
  )
  const total = (guests: boolean) =>
    onAnswer.reduce((sum, w, i) => sum + (votes[i]!.raterId.startsWith('guest') === guests ? w : 0), 0)
  return {
    r: correlation(crowd, truth),
    rho: mean([...raters].filter(([id]) => id.startsWith('regular')).map(([, standing]) => standing.reliability)),
    guests: total(true) / (total(true) + total(false)),
  }
}

describe('guests who vote once or a few times and invert what they see', () => {
  for (const raters of [12, 30]) {
    for (const share of [0.25, 0.3, 0.35, 0.4]) {
      for (const together of [8, 120]) {
        it(`once each, are ${100 * share} % of the votes of a room of ${raters}, on ${together} answers at a time, and decide nothing`, () => {
          const { r, rho, guests } = outcomeOf({ raters, share, each: 1, votesPerAnswer: 10, together })
          expect(r).toBeGreaterThan(0.95)
          expect(rho).toBeGreaterThan(0.75)
          expect(guests).toBeLessThan(0.1)
        })
      }
    }
  }
  for (const each of [1, 2, 3, 5, 7, 12]) {
    it(`nor with ${each} ${each === 1 ? 'vote' : 'votes'} each, where answers get three votes and a third of them are theirs`, () => {
      const { r, rho, guests } = outcomeOf({ raters: 12, share: 0.35, each, votesPerAnswer: 3, together: 16 })
      expect(r).toBeGreaterThan(0.75)
      // Above what a stranger begins with, and never turned.
      expect(rho).toBeGreaterThan(0.65)
      expect(guests).toBeLessThan(0.15)
    })
  }
})
