/** A simulated room and those who would mislead it: who votes on what, when, and what they give. */
import type { CastVote } from '../../core/votes/weights.ts'
import { normal, seededRandom, shuffled, type Random } from '../pretrain/random.ts'

/** How people vote who look: votes about what an answer is worth to them, on the scale 0 to 1. */
const HONEST = { noise: 0.15, leniency: 0.08, slope: 0.15 } as const
/** Votes of a room, whatever it is like: so every rater of thirty has sixty. */
export const VOTES = 1_800
export const RATERS = 30
/** Time between an answer's appearance and the next one's, milliseconds for each vote on it. */
const MS_PER_VOTE = 1_000

/** What one of the group knows when it votes. */
interface Sight {
  /** What the answer is worth, in [0, 1], and its number. */
  truth: number
  answer: number
  /** The share of this rater's votes that they have cast, in [0, 1]. */
  through: number
  /** What honest people gave this answer before, oldest first. */
  before: readonly number[]
  /** The same numbers for all of the group, by answer, uniform in [0, 1]. */
  shared: (answer: number) => number
  random: Random
  /** What this rater would give if they looked honestly. */
  honest: (worth: number) => number
}

export interface Attack {
  name: string
  /** What a vote of the group says, in any range; it is cut to the scale. */
  gives: (sight: Sight) => number
  /** Which answers they vote on: all by default. */
  targets?: (answer: number) => boolean
  /** Votes of each of them; without it as many as the others have. */
  each?: number
  /** They come from one source. */
  oneSource?: boolean
}

const inverted = ({ truth, honest }: Sight): number => honest(1 - truth)
const fraction = (answer: number, salt: number): number => seededRandom(answer * 7_919 + salt)()

/** Nobody: the group votes like everybody else. */
const none: Attack = { name: 'none', gives: ({ truth, honest }) => honest(truth) }
/** They vote the opposite of what they see. */
const inverters: Attack = { name: 'inverters', gives: inverted }
/** They don't look. */
const random: Attack = { name: 'random', gives: (sight) => sight.random() }
/** They give ten points to everything. */
const alwaysTen: Attack = { name: 'always 10', gives: () => 1 }
/** They repeat the first vote on the answer, all of them the same; where there is none they don't look. */
const copiers: Attack = { name: 'copiers', gives: ({ before, random: r }) => before[0] ?? r() }
/** Honest for half of their votes, and then the opposite. */
const sleepers: Attack = {
  name: 'sleepers',
  gives: (sight) => (sight.through < 0.5 ? sight.honest(sight.truth) : inverted(sight)),
}
/** From honest to the opposite, little by little. */
const drifters: Attack = {
  name: 'drifters',
  gives: ({ truth, through, honest }) => honest(0.5 + (1 - 2 * through) * (truth - 0.5)),
}
/** Honest, but on two answers of five, where all of them vote the opposite. */
const camouflage: Attack = {
  name: 'camouflage',
  gives: (sight) => (fraction(sight.answer, 1) < 0.4 ? inverted(sight) : sight.honest(sight.truth)),
}
/** They have agreed on what to give, answer by answer, whatever it is worth. */
const cliques: Attack = {
  name: 'cliques',
  gives: ({ answer, shared, random: r }) => shared(answer) + 0.03 * normal(r),
}
/** They cast all of their votes on a third of the answers, where they invert. */
const concentrated: Attack = {
  name: 'concentrated',
  gives: inverted,
  targets: (answer) => fraction(answer, 2) < 1 / 3,
}
/** Accounts that come for one vote, the opposite of what they see, from anywhere. */
const guests: Attack = { name: 'one-vote guests', gives: inverted, each: 1 }
/** Accounts of one address that come for ten votes each and invert. */
const oneAddress: Attack = { name: 'one address', gives: inverted, each: 10, oneSource: true }
/** Accounts from anywhere that come for ten votes each and invert: each has enough to be known. */
const accounts: Attack = { name: 'ten-vote accounts', gives: inverted, each: 10 }
/** They look, and see it otherwise: what an answer is worth to them has nothing to do with what others think. */
const minority: Attack = { name: 'other taste', gives: ({ answer, shared, honest }) => honest(shared(answer)) }

export const ATTACKS: readonly Attack[] = [
  none,
  inverters,
  random,
  alwaysTen,
  copiers,
  sleepers,
  drifters,
  camouflage,
  cliques,
  concentrated,
  guests,
  accounts,
  oneAddress,
  minority,
]

export interface CrowdOptions {
  attack: Attack
  /** The group's share of the votes, in [0, 1). */
  share: number
  votesPerAnswer: number
  seed: number
}

export interface SimulatedCrowd {
  /** Oldest first. */
  votes: (CastVote & { rating: number })[]
  /** By answer: what it is worth to everybody else, and what the group's shared numbers are. */
  truth: number[]
  shared: number[]
  /** How many of thirty the group is, as a share. */
  share: number
}

export const isOfGroup = (raterId: string): boolean => raterId.startsWith('group')

/** A room of thirty, or fewer and the group's guests: {@link VOTES} votes, each person's spread over all answers. */
export function simulate({ attack, share: wanted, votesPerAnswer, seed }: CrowdOptions): SimulatedCrowd {
  const random = seededRandom(seed * 1_009 + votesPerAnswer)
  const answers = Math.round(VOTES / votesPerAnswer)
  const truth = Array.from({ length: answers }, () => random())
  const shared = Array.from({ length: answers }, () => random())
  const group = Math.round(wanted * RATERS)
  const each = VOTES / RATERS
  const eachOfGroup = attack.each ?? each
  const crowd = Array.from({ length: RATERS - group }, (_, n): Dealt => ({ id: `rater-${n}`, each }))
  const others = Array.from({ length: Math.round((group * each) / eachOfGroup) }, (_, n): Dealt => ({
    ...{ id: `group-${n}`, each: eachOfGroup },
  }))
  const open = Array.from({ length: answers }, (_, answer) => answer)
  const { targets } = attack
  // Who picks their answers adds to those that others get; all the others share them out.
  const on =
    targets === undefined
      ? deal(shuffled([...crowd, ...others], random), open, random)
      : merged(
          deal(crowd, open, random),
          deal(
            others,
            open.filter((n) => targets(n)),
            random,
          ),
        )
  const people = new Map<string, Person>()
  const votes: SimulatedCrowd['votes'] = []
  for (let answer = 0; answer < answers; answer++) {
    const order = shuffled(on.get(answer) ?? [], random)
    // Copiers come last: there has to be something to copy.
    if (attack === copiers) order.sort((a, b) => Number(isOfGroup(a)) - Number(isOfGroup(b)))
    const before: number[] = []
    for (const raterId of order) {
      const person = people.get(raterId) ?? newPerson(random)
      people.set(raterId, person)
      const looks = (worth: number): number =>
        0.5 + person.slope * (worth - 0.5) + person.leniency + HONEST.noise * normal(random)
      const given = isOfGroup(raterId)
        ? attack.gives({
            ...{ truth: truth[answer]!, answer, before, random, honest: looks },
            through: person.votes / eachOfGroup,
            shared: (n) => shared[n]!,
          })
        : looks(truth[answer]!)
      person.votes++
      const rating = 1 + Math.round(9 * Math.min(1, Math.max(0, given)))
      if (!isOfGroup(raterId)) before.push((rating - 1) / 9)
      votes.push({
        ...{ raterId, sampleId: `answer-${answer}`, value: (rating - 1) / 9, rating },
        at: MS_PER_VOTE * votes.length,
        source: isOfGroup(raterId) && attack.oneSource === true ? 'one address' : raterId,
        ...{ origin: 'rollout', ownQuestion: false, late: false },
      })
    }
  }
  return { votes, truth, shared, share: group / RATERS }
}

interface Person {
  slope: number
  leniency: number
  votes: number
}

const newPerson = (random: Random): Person => ({
  slope: 1 + HONEST.slope * normal(random),
  leniency: HONEST.leniency * normal(random),
  votes: 0,
})

interface Dealt {
  id: string
  /** Votes. */
  each: number
}

/** By answer: who votes on it, nobody twice, as evenly as chance allows. */
function deal(raters: readonly Dealt[], answers: readonly number[], random: Random): Map<number, string[]> {
  const on = new Map(answers.map((answer): [number, string[]] => [answer, []]))
  const load = (answer: number): number => on.get(answer)?.length ?? 0
  for (const { id, each } of raters) {
    const chosen = shuffled(answers, random).sort((a, b) => load(a) - load(b))
    for (const answer of chosen.slice(0, each)) on.get(answer)?.push(id)
  }
  return on
}

const merged = (a: ReadonlyMap<number, string[]>, b: ReadonlyMap<number, string[]>): Map<number, string[]> =>
  new Map([...a].map(([answer, ids]) => [answer, [...ids, ...(b.get(answer) ?? [])]]))
