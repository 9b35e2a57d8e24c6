/** Which votes can be compared with others' at all: those earn their authors standing. Pure. */

export interface RatedSample {
  raterId: string
  sampleId: string
  /** `v` in [0, 1]. */
  value: number
  /** When it was cast, milliseconds; 0 by default. Votes come in order, the oldest first. */
  at?: number
  /** False if its author chose what to rate, or when, and could have known the others' votes: it is not compared. */
  comparable?: boolean
  /** Where its author's account came from (sources.ts); null or absent: nobody knows. */
  source?: string | null
}

/** A rater is known with at least this many comparable votes … */
export const KNOWN_VOTES = 8
/** … and while their reliability is at least this; everybody else is a stranger. */
const KNOWN_RELIABILITY = 0.3
export const isKnown = (comparable: number, reliability: number): boolean =>
  comparable >= KNOWN_VOTES && reliability >= KNOWN_RELIABILITY

/** A room is established while this many known raters … */
export const ESTABLISHED_RATERS = 3
/** … have voted within this time, milliseconds. */
export const ESTABLISHED_MS = 10 * 60_000
/**
 * In an established room, comparisons with strangers alone count for at most this many votes: fewer than make a rater
 * known.
 */
export const AMONG_STRANGERS = 4

/** Votes indexed by number, so that every iteration is cheap. */
export interface Ballots {
  readonly votes: readonly RatedSample[]
  /** Ids of raters and samples, by number, in the order of their first votes. */
  readonly raters: readonly string[]
  readonly samples: ReadonlyMap<string, number>
  /** By vote: the numbers of its rater and its sample. */
  readonly raterOf: Int32Array
  readonly sampleOf: Int32Array
  /** By sample: its comparable votes, and who cast them, each once. */
  readonly on: readonly (readonly number[])[]
  readonly ratersOn: readonly (readonly number[])[]
  /** By rater: where the account came from, the latest that is known. */
  readonly sources: readonly (string | null)[]
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
  const sources = Array.from(raters, (): string | null => null)
  votes.forEach(({ comparable = true, source = null }, index) => {
    if (comparable) on[sampleOf[index]!]!.push(index)
    if (source !== null) sources[raterOf[index]!] = source
  })
  return {
    ...{ votes, raters: [...raters.keys()], samples, raterOf, sampleOf, on, sources },
    ratersOn: on.map((indices) => [...new Set(indices.map((index) => raterOf[index]!))]),
  }
}

/** What is known about raters besides the votes at hand, by rater. */
export interface Known {
  /** ρ. */
  readonly reliability: Float64Array
  /** Comparable votes that they bring along from elsewhere here. */
  readonly brought: Float64Array
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
 * which only ever meet each other are never known. Nor does company of one's own source count where that source
 * is a mark (sources.ts). A sample whose value is known compares everybody. Votes are processed in their order:
 * who is known when a vote is cast follows from the votes before it. Votes that are not comparable (late ones, questions
 * of their author's own, texts) neither earn nor lend standing.
 *
 * Known limitation: whoever founds a room, or finds it empty for {@link ESTABLISHED_MS}, is its crowd.
 *
 * @param gold by sample: whether its value is known
 * @param markOf by rater: the number of their source where it is a mark, else -1
 */
export function comparisonsOf(
  { votes, raters, samples, raterOf, sampleOf, ratersOn, on }: Ballots,
  { reliability, brought }: Known,
  gold: Uint8Array,
  markOf: Int32Array,
): Comparisons {
  const full = new Float64Array(raters.length)
  const amongStrangers = new Float64Array(raters.length)
  const count = (rater: number): number => full[rater]! + Math.min(AMONG_STRANGERS, amongStrangers[rater]!)
  const known = Uint8Array.from(raters, (_, rater) => (isKnown(brought[rater]!, reliability[rater]!) ? 1 : 0))
  /** When each known rater voted last. */
  const lastVote = new Map<number, number>()
  const weights = new Float64Array(raterOf.length)
  const meeting: number[] = []
  const established = new Uint8Array(samples.size)
  const order = on.flat().sort((a, b) => a - b)

  for (const index of order) {
    const [sample, rater, at] = [sampleOf[index]!, raterOf[index]!, votes[index]!.at ?? 0]
    let present = 0
    for (const last of lastVote.values()) if (last >= at - ESTABLISHED_MS) present++
    const founding = present < ESTABLISHED_RATERS
    if (!founding) established[sample] = 1
    const others = ratersOn[sample]!.filter(
      (other) => other !== rater && (markOf[rater] === -1 || markOf[other] !== markOf[rater]),
    )
    if (gold[sample] === 1 || (others.length > 0 && (founding || others.some((other) => known[other] === 1)))) {
      weights[index] = 1
      full[rater]!++
    } else if (others.length > 0) {
      meeting.push(index)
      amongStrangers[rater]!++
    }
    known[rater] = isKnown(count(rater) + brought[rater]!, reliability[rater]!) ? 1 : 0
    if (known[rater] === 1) lastVote.set(rater, at)
    else lastVote.delete(rater)
  }
  for (const index of meeting) weights[index] = Math.min(1, AMONG_STRANGERS / amongStrangers[raterOf[index]!]!)
  return { weights, counts: Float64Array.from(raters, (_, rater) => count(rater)), established }
}
