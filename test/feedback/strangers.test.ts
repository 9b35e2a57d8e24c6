import { describe, expect, it } from 'vitest'
import { crowdValue } from '../../server/feedback/crowd.ts'
import { weigh, type CastVote } from '../../server/feedback/weights.ts'
import { seededRandom } from '../../scripts/pretrain/random.ts'

const mean = (x: readonly number[]) => x.reduce((a, b) => a + b, 0) / x.length
const clamp = (x: number) => Math.min(1, Math.max(0, x))

function correlation(a: readonly number[], b: readonly number[]): number {
  const product = (x: readonly number[], y: readonly number[]) => mean(x.map((v, i) => (v - mean(x)) * (y[i] - mean(y))))
  return product(a, b) / Math.sqrt(product(a, a) * product(b, b))
}

/** Ten votes on each of 60 answers, a share of them by guests who vote once each, the opposite of what they see. */
function infiltrated({ raters, share, answersPerStep, seed }: { raters: number; share: number; answersPerStep: number; seed: number }) {
  const random = seededRandom(seed)
  const truth = Array.from({ length: 60 }, () => random())
  const votes = truth.flatMap((t, s) => {
    const regulars = Array.from({ length: raters }, (_, i) => i).sort(() => random() - 0.5)
    return Array.from({ length: 10 }, (_, k): CastVote => {
      const guest = random() < share
      const noise = (random() + random() + random() - 1.5) * 0.2
      return {
        raterId: guest ? `guest-${s}-${k}` : `regular-${regulars[k]}`,
        ...{ sampleId: `s${s}`, value: clamp((guest ? 1 - t : t) + noise), round: Math.floor(s / answersPerStep) },
        ...{ origin: 'rollout', ownQuestion: false, late: false },
      }
    })
  })
  return { votes, truth }
}

describe('one-vote guests who invert what they see', () => {
  for (const raters of [12, 30]) {
    for (const share of [0.25, 0.3, 0.35, 0.4]) {
      for (const answersPerStep of [8, 60]) {
        it(`are ${100 * share} % of the votes of a room of ${raters}, ${answersPerStep} answers a step, and decide nothing`, () => {
          const { votes, truth } = infiltrated({ raters, share, answersPerStep, seed: raters + 100 * share })
          const { onAnswer, raters: standings } = weigh(votes)
          const crowd = truth.map((_, s) => crowdValue(votes.flatMap((v, i) => (v.sampleId === `s${s}` ? [{ value: v.value, weight: onAnswer[i] }] : [])), 0.5))
          const rho = [...standings].filter(([id]) => id.startsWith('regular')).map(([, standing]) => standing.reliability)
          const total = (guests: boolean) => onAnswer.reduce((sum, w, i) => sum + (votes[i].raterId.startsWith('guest') === guests ? w : 0), 0)
          if (process.env.FIG) process.stderr.write(`FIG ${raters} ${share} ${answersPerStep} r ${correlation(crowd, truth).toFixed(3)} rho ${mean(rho).toFixed(2)} guests ${(total(true) / (total(true) + total(false))).toFixed(3)}\n`)
          expect(correlation(crowd, truth)).toBeGreaterThan(0.9)
          expect(Math.min(...rho)).toBeGreaterThan(0.6)
          expect(total(true) / (total(true) + total(false))).toBeLessThan(0.15)
        })
      }
    }
  }
})
