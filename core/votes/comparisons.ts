export interface RatedSample {
  raterId: string
  sampleId: string
  /** `v` in [0, 1]. */
  value: number
  /** The step that was the first to learn from it. Votes of one round count as simultaneous; 0 by default. */
  round?: number
  /** False if its author chose what to rate, or when, and could have known the others' votes: it is not compared. */
  comparable?: boolean
}

/** A rater is known with at least this many comparable votes … */
const KNOWN_VOTES = 8
/** … and while their reliability is at least this; everybody else is a stranger. */
const KNOWN_RELIABILITY = 0.3
export const isKnown = (comparable: number, reliability: number): boolean =>
  comparable >= KNOWN_VOTES && reliability >= KNOWN_RELIABILITY

/** A room is established while this many known raters … */
export const ESTABLISHED_RATERS = 3
/** … have voted in this round or in this many before it. */
export const ESTABLISHED_ROUNDS = 3
/**
 * In an established room, comparisons with strangers alone count for at most this many votes: fewer than make a rater
 * known.
 */
export const AMONG_STRANGERS = 4

/** Votes indexed by number, so that every iteration is cheap. */
export interface Ballots {
  readonly votes: readonly RatedSample[]
  /** Ids of raters and samples, by number. */
  readonly raters: readonly string[]
  readonly samples: ReadonlyMap<string, number>
  /** By vote: the numbers of its rater and its sample. */
  readonly raterOf: Int32Array
  readonly sampleOf: Int32Array
  /** By sample: its comparable votes. */
  readonly on: readonly (readonly number[])[]
  /** By sample: who cast them, each once. */
  readonly ratersOn: readonly (readonly number[])[]
  /** Comparable votes by round, in the order of rounds. */
  readonly rounds: readonly { round: number; votes: readonly number[] }[]
}

export function ballotsOf(votes: readonly RatedSample[]): Ballots {
  const raters = new Map<string, number>()
  const samples = new Map<string, number>()
  const numberOf = (numbers: Map<string, number>, id: string): number => {
    const known = numbers.get(id)
    if (known !== undefined) return known
    numbers.set(id, numbers.size)
    return numbers.size - 1
  }
  const raterOf = Int32Array.from(votes, (vote) => numberOf(raters, vote.raterId))
  const sampleOf = Int32Array.from(votes, (vote) => numberOf(samples, vote.sampleId))
  const on = Array.from(samples, (): number[] => [])
  const rounds = new Map<number, number[]>()
  votes.forEach(({ round = 0, comparable = true }, index) => {
    if (!comparable) return
    on[sampleOf[index]!]!.push(index)
    const cast = rounds.get(round)
    if (cast) cast.push(index)
    else rounds.set(round, [index])
  })
  return {
    ...{ votes, raters: [...raters.keys()], samples, raterOf, sampleOf, on },
    ratersOn: on.map((indices) => [...new Set(indices.map((index) => raterOf[index]!))]),
    rounds: [...rounds].sort(([a], [b]) => a - b).map(([round, cast]) => ({ round, votes: cast })),
  }
}

export interface Comparisons {
  /** By vote: its weight as a comparison, in [0, 1]. */
  readonly weights: Float64Array
  /** n by rater: the comparable votes; whole. */
  readonly counts: Float64Array
  /** By sample: whether it was voted on in an established room. */
  readonly established: Uint8Array
}

/**
 * Decides which votes count as comparisons; those earn their author standing.
 *
 * A vote is compared with others' votes on the same sample. While a room is being founded, anybody's will
 * do: nobody is known yet, or those who were have left. In an established one a known rater's is required; comparisons
 * with strangers alone count for {@link AMONG_STRANGERS} votes in all, however many there are, so that accounts
 * which only ever meet each other are never known. Rounds are processed in order: who is known when a round begins
 * follows from the rounds before it. Votes that are not comparable (late ones, questions of their author's
 * own, texts) neither earn nor lend standing.
 *
 * Known limitation: whoever founds a room, or finds it empty for {@link ESTABLISHED_ROUNDS} steps, is its crowd.
 *
 * @param reliability ρ by rater
 */
export function comparisonsOf(
  { raters, samples, raterOf, sampleOf, ratersOn, rounds }: Ballots,
  reliability: Float64Array,
): Comparisons {
  const full = new Float64Array(raters.length)
  const amongStrangers = new Float64Array(raters.length)
  const count = (rater: number): number => full[rater]! + Math.min(AMONG_STRANGERS, amongStrangers[rater]!)
  /** Known raters, and when each voted last. */
  const known = new Map<number, number>()
  const weights = new Float64Array(raterOf.length)
  const meeting: number[] = []
  const established = new Uint8Array(samples.size)

  for (const { round, votes } of rounds) {
    const here = new Set(votes.map((index) => raterOf[index]!))
    let present = 0
    for (const [rater, last] of known) if (last >= round - ESTABLISHED_ROUNDS || here.has(rater)) present++
    const founding = present < ESTABLISHED_RATERS
    const knownOn = new Map<number, number>()
    for (const index of votes) {
      const [sample, rater] = [sampleOf[index]!, raterOf[index]!]
      const others = ratersOn[sample]!
      if (!founding) established[sample] = 1
      if (others.length < 2) continue
      let knownHere = knownOn.get(sample)
      if (knownHere === undefined)
        knownOn.set(sample, (knownHere = others.reduce((n, id) => n + (known.has(id) ? 1 : 0), 0)))
      if (founding || knownHere - (known.has(rater) ? 1 : 0) > 0) {
        weights[index] = 1
        full[rater]!++
      } else {
        meeting.push(index)
        amongStrangers[rater]!++
      }
    }
    for (const rater of here) {
      if (isKnown(count(rater), reliability[rater]!)) known.set(rater, round)
      else known.delete(rater)
    }
  }
  for (const index of meeting) weights[index] = Math.min(1, AMONG_STRANGERS / amongStrangers[raterOf[index]!]!)
  return { weights, counts: Float64Array.from(raters, (_, rater) => count(rater)), established }
}
