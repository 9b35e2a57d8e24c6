import { describe, expect, it } from 'vitest'
import { joined, marksOf } from '../../core/votes/sources.ts'
import { weigh, type CastVote } from '../../core/votes/weights.ts'
import { seededRandom } from '../../scripts/pretrain/random.ts'

describe('a source', () => {
  const known = (...flags: number[]) => Uint8Array.from(flags)
  it('is a mark where three come from elsewhere, three who are known once three are', () => {
    expect([...marksOf(['x', 'x', 'a', 'b', null], known(0, 0, 0, 0, 0))]).toEqual([0, 0, 1, 2, -1])
    // A classroom behind one address, and two from home.
    expect([...marksOf(['x', 'x', 'x', 'a', 'b'], known(0, 0, 0, 0, 0))]).toEqual([-1, -1, -1, 0, 1])
    // Its people are known, and others' accounts by the dozen change nothing about that.
    const room = ['x', 'x', 'x', ...Array.from({ length: 12 }, (_, i) => `sybil ${i}`)]
    expect(
      marksOf(
        room,
        Uint8Array.from(room, (_, i) => (i < 3 ? 1 : 0)),
      )[0],
    ).toBe(-1)
  })
  it('makes its strangers one, and leaves alone whoever is known', () => {
    expect([...joined(Int32Array.from([0, 0, 0, 1, -1, -1]), known(0, 1, 0, 0, 0, 0))]).toEqual([0, 1, 0, 3, 4, 5])
  })
})

/** Six regulars from home, and these, on 60 answers; `late` from the twentieth on. */
function room(late: (answer: number) => { id: string; source: string | null; inverts?: boolean }[]): CastVote[] {
  const random = seededRandom(5)
  return Array.from({ length: 60 }, (_, answer) => ({ answer, worth: random() })).flatMap(({ answer, worth }) => {
    const regulars = Array.from({ length: 4 }, (_, k) => ({
      id: `r${(answer + k) % 6}`,
      source: `home ${(answer + k) % 6}`,
    }))
    return [...regulars, ...(answer >= 20 ? late(answer) : [])].map(({ id, source, ...rest }): CastVote => {
      const seen = 'inverts' in rest && rest.inverts === true ? 1 - worth : worth
      return {
        ...{ raterId: id, sampleId: `s${answer}`, value: Math.min(1, Math.max(0, seen + 0.2 * (random() - 0.5))) },
        ...{ at: 1_000 * answer, source, origin: 'rollout', ownQuestion: false, late: false },
      }
    })
  })
}
const weightOf = (votes: readonly CastVote[], of: (id: string) => boolean) => {
  const { onAnswer } = weigh(votes)
  return onAnswer.reduce((sum, w, i) => sum + (of(votes[i]!.raterId) ? w : 0), 0)
}

describe('what one source brings counts jointly', () => {
  const three = (answer: number, source: (n: number) => string) =>
    [0, 1, 2].map((n) => ({ id: `g${3 * answer + n}`, source: source(3 * answer + n) }))
  it('three guests of one address on each answer weigh what one account that stays would, though each comes once', () => {
    const guests = weightOf(
      room((answer) => three(answer, () => 'hotel')),
      (id) => id.startsWith('g'),
    )
    const one = weightOf(
      room(() => [{ id: 'g', source: 'hotel' }]),
      (id) => id === 'g',
    )
    expect(guests).toBeLessThanOrEqual(1.05 * one)
  })
  it('an office behind one address whose people have earned standing is as many as they are', () => {
    const office = Array.from({ length: 4 }, (_, n) => ({ id: `o${n}`, source: 'office' }))
    const weigh4 = weightOf(
      room(() => office),
      (id) => id.startsWith('o'),
    )
    const apart = weightOf(
      room(() => office.map((one) => ({ ...one, source: one.id }))),
      (id) => id.startsWith('o'),
    )
    expect(weigh4).toBeCloseTo(apart, 6)
  })
  it('fifty accounts of one address that invert, ten votes each, weigh nothing', () => {
    const votes = room((answer) =>
      Array.from({ length: 12 }, (_, n) => ({
        id: `g${n + 12 * Math.floor(answer / 10)}`,
        source: 'one',
        inverts: true,
      })),
    )
    const all = weightOf(votes, () => true)
    expect(weightOf(votes, (id) => id.startsWith('g')) / all).toBeLessThan(0.02)
  })
  it('a classroom that is alone with itself is not silenced', () => {
    const pupils = room(() => []).map((vote) => ({ ...vote, source: 'school' }))
    expect(weigh(pupils).onAnswer).toEqual(weigh(pupils.map((vote) => ({ ...vote, source: null }))).onAnswer)
  })
})
