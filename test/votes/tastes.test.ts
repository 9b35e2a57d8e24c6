import { describe, expect, it } from 'vitest'
import { correlation, mean } from '../../core/statistics.ts'
import { HEARD, weigh, type CastVote, type TasteMode, type Weighed } from '../../core/votes/weights.ts'
import { ATTACKS, isOfGroup, simulate, type SimulatedCrowd } from '../../scripts/study/attacks.ts'
import { normal, seededRandom } from '../../scripts/pretrain/random.ts'

const crowdOf = (name: string, share: number, votesPerAnswer = 10, seed = 1): SimulatedCrowd =>
  simulate({ attack: ATTACKS.find((attack) => attack.name === name)!, share, votesPerAnswer, seed })

/** By answer: the weighted mean of what its votes say; ½ where nothing weighs. */
function valuesBy({ votes, truth }: SimulatedCrowd, { values, onAnswer }: Weighed): number[] {
  const [sums, weights] = [truth.map(() => 0), truth.map(() => 0)]
  votes.forEach(({ sampleId }, i) => {
    const answer = Number(sampleId.split('-')[1])
    sums[answer]! += onAnswer[i]! * values[i]!
    weights[answer]! += onAnswer[i]!
  })
  return sums.map((sum, j) => (weights[j]! < 0.01 ? 0.5 : sum / weights[j]!))
}
const follows = (crowd: SimulatedCrowd, tastes: TasteMode, worth: readonly number[]) =>
  correlation(valuesBy(crowd, weigh(crowd.votes, { tastes })), worth) ?? 0
const reliabilityOf = ({ raters }: Weighed, ofGroup: boolean) =>
  mean([...raters].flatMap(([id, { reliability }]) => (isOfGroup(id) === ofGroup ? [reliability] : [])))

describe('people who see it otherwise', () => {
  const crowd = crowdOf('other taste', 0.2)
  const heard = weigh(crowd.votes)

  it('are a taste of their own: named, with who is of it and which answers divide it from the largest', () => {
    expect(heard.tastes).toHaveLength(2)
    const [largest, other] = heard.tastes
    expect(largest).toMatchObject({ correlation: 1, opposes: false, dividing: [] })
    expect(other!.raters.every(isOfGroup)).toBe(true)
    expect(other!.raters).toHaveLength(6)
    expect(other!.share).toBeCloseTo(0.2, 1)
    expect(Math.abs(other!.correlation)).toBeLessThan(0.3)
    expect(other!.opposes).toBe(false)
    // On those, both really differ.
    expect(other!.dividing).toHaveLength(5)
    for (const id of other!.dividing) {
      const answer = Number(id.split('-')[1])
      expect(Math.abs(crowd.truth[answer]! - crowd.shared[answer]!)).toBeGreaterThan(0.5)
    }
  })
  it('are reliable, whatever their taste, at ten votes an answer and at three; who doesn’t look is not', () => {
    expect(reliabilityOf(heard, true)).toBeGreaterThan(0.7)
    expect(reliabilityOf(weigh(crowdOf('other taste', 0.2, 3).votes), true)).toBeGreaterThan(0.5)
    for (const name of ['random', 'always 10'])
      expect(reliabilityOf(weigh(crowdOf(name, 0.2).votes), true)).toBeLessThan(0.25)
  })
  it('are heard under `majority`, and so paid, but move little', () => {
    const theirs = crowd.votes.flatMap(({ raterId }, i) => (isOfGroup(raterId) ? [heard.onAnswer[i]!] : []))
    expect(Math.min(...theirs)).toBeGreaterThan(0)
    expect(mean(theirs)).toBeLessThan(2 * HEARD)
  })
  it('count by their number under `proportional`, and as much as anybody under `worst-off`', () => {
    const population = crowd.truth.map((t, j) => 0.8 * t + 0.2 * crowd.shared[j]!)
    const lowest = crowd.truth.map((t, j) => Math.min(t, crowd.shared[j]!))
    expect(follows(crowd, 'proportional', population)).toBeGreaterThan(follows(crowd, 'majority', population) + 0.005)
    expect(follows(crowd, 'worst-off', lowest)).toBeGreaterThan(follows(crowd, 'majority', lowest) + 0.1)
    expect(follows(crowd, 'majority', crowd.truth)).toBeGreaterThan(0.97)
  })
  it('three tastes are found, and their people told apart', () => {
    const random = seededRandom(9)
    const votes = Array.from({ length: 150 }, (_, answer) => ({
      answer,
      likes: [random(), random(), random()],
    })).flatMap(({ answer, likes }) =>
      Array.from({ length: 12 }, (_, k) => (5 * answer + k) % 24).map((rater): CastVote => {
        const taste = rater < 12 ? 0 : rater < 18 ? 1 : 2
        return {
          ...{ raterId: `${taste}/${rater}`, sampleId: `s${answer}`, at: 1_000 * answer, source: null },
          value: Math.min(1, Math.max(0, likes[taste]! + 0.12 * normal(random))),
          ...{ origin: 'rollout', ownQuestion: false, late: false },
        }
      }),
    )
    const { tastes } = weigh(votes)
    expect(tastes).toHaveLength(3)
    for (const { raters } of tastes) expect(new Set(raters.map((id) => id[0])).size).toBe(1)
  })
  it('a clean crowd has one taste, whatever the seed', () => {
    for (const seed of [1, 2, 3, 4, 5]) expect(weigh(crowdOf('none', 0, 10, seed).votes).tastes).toHaveLength(1)
  })
})

describe('a group that only opposes the largest taste', () => {
  const crowd = crowdOf('inverters', 0.3)
  it('is named, and weighs nothing until it is accepted; then it counts like any taste', () => {
    const heard = weigh(crowd.votes)
    expect(heard.tastes[1]).toMatchObject({ opposes: true, correlation: expect.closeTo(-1, 1) })
    const theirs = ({ onAnswer }: Weighed) =>
      crowd.votes.reduce((sum, { raterId }, i) => sum + (isOfGroup(raterId) ? onAnswer[i]! : 0), 0)
    expect(theirs(heard)).toBe(0)
    expect(heard.raters.get('group-0')).toMatchObject({ opposes: true, taste: 1 })
    for (const tastes of ['proportional', 'worst-off'] as const) {
      expect(theirs(weigh(crowd.votes, { tastes }))).toBe(0)
      expect(theirs(weigh(crowd.votes, { tastes, acceptOpposition: true }))).toBeGreaterThan(50)
    }
    const opposite = follows(crowd, 'proportional', crowd.truth)
    expect(opposite).toBeGreaterThan(0.97)
  })
  it('is what it says it is: a minority’s sign changes by known answers alone', () => {
    const gold = new Map(crowd.truth.slice(0, 12).map((t, j) => [`answer-${j}`, 1 - t]))
    const { tastes } = weigh(crowd.votes, { gold })
    expect(tastes[0]!.raters.filter(isOfGroup)).toHaveLength(9)
    expect(tastes[1]).toMatchObject({ opposes: true })
  })
})

describe('30 % of anything', () => {
  const r = (crowd: SimulatedCrowd) => follows(crowd, 'majority', crowd.truth)
  const clean = { 10: r(crowdOf('none', 0, 10)), 3: r(crowdOf('none', 0, 3)) }
  for (const { name } of ATTACKS.filter((attack) => attack.name !== 'none')) {
    it(`${name}: leaves 0.95 of the clean crowd’s r at ten votes an answer, 0.85 at three`, () => {
      expect(r(crowdOf(name, 0.3, 10))).toBeGreaterThan(0.95 * clean[10])
      expect(r(crowdOf(name, 0.3, 3))).toBeGreaterThan(0.85 * clean[3])
    })
  }
  it('a larger group never wins by being larger: r falls little from 10 to 30 %', () => {
    for (const name of ['inverters', 'random', 'one-vote guests']) {
      const [few, many] = [0.1, 0.3].map((share) => r(crowdOf(name, share)))
      expect(many).toBeLessThanOrEqual(few! + 0.01)
      expect(many).toBeGreaterThan(few! - 0.03)
    }
  })
})

describe('strangers, however many', () => {
  /** Six regulars on 160 answers, and from the sixtieth on guests who invert, each for so many votes. */
  function flooded(share: number, each: number): SimulatedCrowd {
    const random = seededRandom(each)
    const votes: SimulatedCrowd['votes'] = []
    const truth: number[] = []
    let guests = 0
    const add = (raterId: string, answer: number, seen: number) => {
      const rating = 1 + Math.round(9 * Math.min(1, Math.max(0, seen + 0.12 * normal(random))))
      votes.push({
        ...{ raterId, sampleId: `answer-${answer}`, rating, value: (rating - 1) / 9, at: 1_000 * votes.length },
        ...{ source: null, origin: 'rollout', ownQuestion: false, late: false },
      })
    }
    for (let answer = 0; answer < 160; answer++) {
      truth.push(random())
      for (let k = 0; k < 4; k++) add(`rater-${(answer + k) % 6}`, answer, truth[answer]!)
      const count = answer < 60 ? 0 : Math.round((4 * share) / (1 - share))
      for (let k = 0; k < count; k++, guests++)
        add(`group-${Math.floor(guests / (each * count)) * count + k}`, answer, 1 - truth[answer]!)
    }
    return { votes, truth, shared: [], share }
  }
  it('V6: don’t turn six regulars at 70 % of the votes, with one vote each, or five, or ten', () => {
    for (const each of [1, 5, 10]) {
      const crowd = flooded(0.7, each)
      expect(follows(crowd, 'majority', crowd.truth), `${each} each`).toBeGreaterThan(0.9)
      expect(reliabilityOf(weigh(crowd.votes), false), `${each} each`).toBeGreaterThan(0.8)
    }
  })
})
