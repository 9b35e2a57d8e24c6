import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OutOfRange } from '../../core/votes/range.ts'
import {
  categoryWeight,
  compassion,
  mix,
  quality,
  unitScore,
  voteValue,
  weightedQuality,
} from '../../core/votes/value.ts'

const part = fc.double({ min: 0, max: 1, noNaN: true })
const score = fc.integer({ min: 1, max: 10 })
const categories = fc.array(
  fc.record({ name: fc.string(), score, weight: fc.double({ min: 0, max: 2, noNaN: true }) }),
  {
    maxLength: 5,
  },
)

describe('vote value', () => {
  it('is 0.8436 in the worked example', () => {
    const vote = {
      rating: 8,
      categories: [
        { name: 'helpfulness', score: 8, weight: 1.0 },
        { name: 'safety', score: 9, weight: 1.2 },
      ],
      compassion: 0.9,
    }
    expect(unitScore(8)).toBeCloseTo(0.7778, 4)
    expect(quality(vote.rating, vote.categories)).toBeCloseTo(0.8194, 4)
    expect(voteValue(vote, 0.3)).toBeCloseTo(0.8436, 4)
  })

  it('is quality alone where compassion is missing: rating 10 and nothing else is 1, rating 1 is 0, whatever λ is', () => {
    for (const lambda of [0, 0.3, 0.7, 1]) {
      expect(voteValue({ rating: 10, categories: [], compassion: null }, lambda)).toBe(1)
      expect(voteValue({ rating: 1, categories: [], compassion: null }, lambda)).toBe(0)
    }
    // A category that was not scored is missing, too, and one that was counts: (0.8889 + 0.6667) / 2.
    const scored = [{ name: 'helpfulness', score: 7, weight: 1 }]
    expect(voteValue({ rating: 9, categories: scored, compassion: null }, 0.7)).toBeCloseTo(0.7778, 4)
    expect(voteValue({ rating: 9, categories: [], compassion: null }, 0.7)).toBeCloseTo(0.8889, 4)
  })

  it('lies in [0, 1], between quality and compassion', () => {
    fc.assert(
      fc.property(score, categories, part, part, (rating, cats, c, lambda) => {
        const v = voteValue({ rating, categories: cats, compassion: c }, lambda)
        const q = quality(rating, cats)
        expect(v).toBeGreaterThanOrEqual(Math.min(q, c) - 1e-12)
        expect(v).toBeLessThanOrEqual(Math.max(q, c) + 1e-12)
      }),
    )
  })

  it('is quality alone at λ 0 and compassion alone at λ 1', () => {
    fc.assert(
      fc.property(part, part, (q, c) => {
        expect(mix(q, c, 0)).toBe(q)
        expect(mix(q, c, 1)).toBe(c)
      }),
    )
  })

  it('never falls when a rating rises', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), categories, part, part, (rating, cats, c, lambda) => {
        const lower = voteValue({ rating, categories: cats, compassion: c }, lambda)
        expect(voteValue({ rating: rating + 1, categories: cats, compassion: c }, lambda)).toBeGreaterThanOrEqual(lower)
      }),
    )
  })

  it('refuses what is out of range, naming the field', () => {
    expect(() => unitScore(0)).toThrow(OutOfRange)
    expect(() => unitScore(10.5)).toThrow(/rating is 10.5/)
    expect(() => unitScore(Number.NaN)).toThrow(OutOfRange)
    expect(() => mix(0.5, 0.5, 1.1)).toThrow(/compassionWeight/)
    expect(() => quality(5, [{ name: 'safety', score: 11, weight: 1 }])).toThrow(/safety/)
    expect(() => quality(5, [{ name: 'safety', score: 5, weight: -1 }])).toThrow(/category weight/)
  })
})

describe('quality', () => {
  it('is the rating where there are no categories, or all weigh nothing', () => {
    fc.assert(
      fc.property(part, part, (r, s) => {
        expect(weightedQuality(r, [])).toBe(r)
        expect(weightedQuality(r, [{ value: s, weight: 0 }])).toBe(r)
      }),
    )
  })
})

describe('category weight', () => {
  const session = { categories: { safety: 1.2 }, freeCategories: false }
  it("is the session's, whatever the rater sent", () => expect(categoryWeight('safety', 9, session)).toBe(1.2))
  it('is 0 for a category that the session does not know', () => expect(categoryWeight('wit', 1, session)).toBe(0))
  it('is 0 for a name that every object has', () => expect(categoryWeight('toString', 1, session)).toBe(0))
  it("is the rater's own, clamped to [0, 2], where categories are free", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (sent) => {
        const w = categoryWeight('wit', sent, { ...session, freeCategories: true })
        expect(w).toBe(Math.min(2, Math.max(0, sent)))
      }),
    )
  })
})

describe('compassion', () => {
  it('is 0.8 for A 0.9, C 0.7, S 0.2 with equal weights', () => {
    expect(compassion({ agency: 0.9, capability: 0.7, suffering: 0.2 })).toBeCloseTo(0.8, 12)
  })
  it('weighs the sides: α 2, β 1, γ 1 makes it 0.825', () => {
    const sides = { agency: 0.9, capability: 0.7, suffering: 0.2 }
    expect(compassion(sides, { agency: 2, capability: 1, suffering: 1 })).toBeCloseTo(0.825, 12)
  })
  it('is the number given, where one is given', () => expect(compassion(0.9)).toBe(0.9))
  it('lies in [0, 1] and falls as suffering rises', () => {
    fc.assert(
      fc.property(part, part, part, part, (agency, capability, s1, s2) => {
        const c = (suffering: number) => compassion({ agency, capability, suffering })
        expect(c(Math.max(s1, s2))).toBeLessThanOrEqual(c(Math.min(s1, s2)))
        expect(c(s1)).toBeGreaterThanOrEqual(0)
        expect(c(s1)).toBeLessThanOrEqual(1)
      }),
    )
  })
  it('refuses what is out of range, and weights that are all 0', () => {
    expect(() => compassion(1.01)).toThrow(/compassionRating/)
    expect(() => compassion({ agency: -0.1, capability: 0, suffering: 0 })).toThrow(/agency/)
    expect(() =>
      compassion({ agency: 1, capability: 1, suffering: 1 }, { agency: 0, capability: 0, suffering: 0 }),
    ).toThrow(OutOfRange)
  })
})
