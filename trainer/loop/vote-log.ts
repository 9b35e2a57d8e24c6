/** The votes of a run as its loop knows them: which stand, which can still be withdrawn, and which step used each. */
import type { SettledVote, VoteNews } from '../../core/db/feedback.ts'
import { VOTES_KEPT } from '../reward/fixed.ts'

/**
 * Votes that are kept. A step learns from the latest `VOTES_KEPT`: excluding the authors of half of these leaves no
 * gap. Older ones weigh next to nothing (core/votes/fading.ts).
 */
export const KEPT_VOTES = 2 * VOTES_KEPT

/** Of this many latest votes of a rater … */
const RECENT_VOTES = 20
/** … at most this many may have been withdrawn for the next one to be used before it can't be. */
const WITHDRAWN_AT_MOST = 2

/** Whose votes may be used while they can still be withdrawn; never those of raters who withdraw often. */
export type Trust = 'everybody' | 'acquaintances' | 'nobody'

export interface VoteLog {
  /** Takes in what has happened; returns the first step that used a vote which no longer stands, or null. */
  hear(news: Pick<VoteNews, 'cast' | 'withdrawn' | 'excluded' | 'settledUntil'>): number | null
  /** Votes that no step has used and one may use, oldest first. */
  waiting(trust: Trust): SettledVote[]
  /** When the first of the votes that wait can no longer be withdrawn, milliseconds since `settledUntil`; or null. */
  settlesIn(): number | null
  /** A step uses these votes. */
  use(ids: readonly string[], step: number): void
  /** The steps from this one on are undone: nobody has used their votes. */
  release(step: number): void
  /** What a step learns from: the latest standing votes that it or a step before it has used, oldest first. */
  learntBy(step: number, excluded: readonly string[]): SettledVote[]
  /** Whether every vote of a step still stands and can't be withdrawn any more. */
  settled(step: number): boolean
  stands(id: string): boolean
  /** Who is excluded at present. */
  readonly excluded: readonly string[]
}

/** @param used those that steps have used so far, oldest first */
export function openVoteLog(used: readonly SettledVote[] = []): VoteLog {
  /** Standing votes by id, in the order in which they were stored. */
  let votes = new Map(used.map((vote) => [vote.id, { ...vote }]))
  const withdrawn = new Set<string>()
  /** Of each rater's latest votes, whether it was withdrawn; newest last. */
  const habits = new Map<string, { id: string; withdrawn: boolean }[]>()
  let excluded: readonly string[] = []
  let settledUntil = -Infinity

  const remember = ({ id, raterId }: SettledVote): void => {
    const habit = habits.get(raterId) ?? []
    habits.set(raterId, [...habit, { id, withdrawn: false }].slice(-RECENT_VOTES))
  }
  const withdrawsOften = (raterId: string): boolean =>
    (habits.get(raterId) ?? []).filter((one) => one.withdrawn).length > WITHDRAWN_AT_MOST
  const isWaiting = (vote: SettledVote): boolean => vote.usedIn === null && !excluded.includes(vote.raterId)
  const inOrder = (): void => {
    votes = new Map([...votes.values()].sort((a, b) => a.seq - b.seq).map((vote) => [vote.id, vote]))
  }
  /** Forgets used votes that no step will learn from. */
  const prune = (): void => {
    let surplus = votes.size - KEPT_VOTES
    for (const [id, vote] of votes) {
      if (surplus-- <= 0) return
      if (vote.usedIn !== null && vote.at <= settledUntil) votes.delete(id)
    }
  }

  return {
    hear(news) {
      let first: number | null = null
      for (const id of news.withdrawn) {
        if (withdrawn.has(id)) continue
        withdrawn.add(id)
        const vote = votes.get(id)
        if (!vote) continue
        votes.delete(id)
        const noted = habits.get(vote.raterId)?.find((one) => one.id === id)
        if (noted) noted.withdrawn = true
        if (vote.usedIn !== null) first = Math.min(first ?? Infinity, vote.usedIn)
      }
      // Told again, a vote is as it was told last.
      for (const { id, at } of news.cast) {
        const known = votes.get(id)
        if (known) known.at = at
      }
      const unheard = news.cast.filter(({ id }) => !votes.has(id) && !withdrawn.has(id))
      for (const vote of unheard) {
        votes.set(vote.id, { ...vote })
        remember(vote)
      }
      if (unheard.length > 0) inOrder()
      ;({ excluded, settledUntil } = news)
      prune()
      return first
    },
    waiting(trust) {
      const settled = (vote: SettledVote): boolean => vote.at <= settledUntil
      const acquainted = new Set([...votes.values()].filter(settled).map(({ raterId }) => raterId))
      const early = ({ raterId }: SettledVote): boolean =>
        trust !== 'nobody' && !withdrawsOften(raterId) && (trust === 'everybody' || acquainted.has(raterId))
      return [...votes.values()].filter((vote) => isWaiting(vote) && (settled(vote) || early(vote)))
    },
    settlesIn() {
      const waiting = [...votes.values()].filter((vote) => isWaiting(vote) && vote.at > settledUntil)
      return waiting.length === 0 ? null : waiting.reduce((ms, { at }) => Math.min(ms, at - settledUntil), Infinity)
    },
    use(ids, step) {
      for (const id of ids) {
        const vote = votes.get(id)
        if (vote) vote.usedIn = step
      }
    },
    release(step) {
      for (const vote of votes.values()) if (vote.usedIn !== null && vote.usedIn >= step) vote.usedIn = null
    },
    learntBy: (step, without) =>
      [...votes.values()]
        .filter((vote) => vote.usedIn !== null && vote.usedIn <= step)
        .slice(-KEPT_VOTES)
        .filter((vote) => !without.includes(vote.raterId))
        .slice(-VOTES_KEPT)
        .map((vote) => ({ ...vote })),
    settled: (step) => [...votes.values()].every((vote) => vote.usedIn !== step || vote.at <= settledUntil),
    stands: (id) => votes.has(id),
    get excluded() {
      return excluded
    },
  }
}
