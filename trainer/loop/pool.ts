/**
 * The rolling pool: the answers that people vote on. One leaves when it has its votes, or has been open for its time and
 * people have gone on to others. It gives up its place to a new one of the current policy as soon as everybody here has
 * voted on it, so that few people, too, always have something to rate.
 */
import { limits } from '../../core/protocol/index.ts'
import type { OpenAnswer } from '../../core/db/samples.ts'
import type { Evaluator } from './evaluator.ts'
import { drawToShow, groupSize, recordOf } from './rollouts.ts'
import type { Run } from './run-state.ts'
import type { World } from './world.ts'

/** Empty places are filled once they are this share of all. */
const REFILL = 1 / 4

/** So many times as many answers as there are places may be open: most of them have the votes of all who are here. */
const MOST_OPEN = 4

export interface Pool {
  /** Closes what is due and fills empty places; returns what is open. */
  tend(): Promise<readonly OpenAnswer[]>
  /** Closes all: the run is over. */
  close(): Promise<void>
}

/** @param answering lets the weights answer that people may see */
export function openPool(run: Run, world: World, answering: Evaluator['answering']): Pool {
  const { shownPerStep, votingWindowSeconds, minVotes } = run.config.live
  const size = groupSize(run)
  const places = Math.max(1, Math.floor(shownPerStep / size))
  /** Until when an answer that is due waits for votes that have been begun. */
  const waits = new Map<string, number>()
  let shown: number | null = null

  const isDue = ({ votes, openMs, overtaken }: OpenAnswer): boolean =>
    votes >= minVotes || (openMs >= 1000 * votingWindowSeconds && overtaken)
  const isWanting = ({ votes, people }: OpenAnswer): boolean => votes < Math.max(1, people)
  const groupsOf = (answers: readonly OpenAnswer[]): number => Math.ceil(answers.length / size)

  async function closeDue(open: readonly OpenAnswer[]): Promise<OpenAnswer[]> {
    const due = open.filter(isDue).map(({ id }) => id)
    if (due.length === 0) return [...open]
    const held = new Set(await world.held(due))
    for (const id of due) if (!waits.has(id)) waits.set(id, world.now() + limits.closingHoldMs)
    const closing = due.filter((id) => !held.has(id) || world.now() >= waits.get(id)!)
    for (const id of closing) waits.delete(id)
    if (closing.length > 0) await world.closeVoting(closing)
    return open.filter(({ id }) => !closing.includes(id))
  }

  return {
    async tend() {
      const open = await closeDue(await world.pool())
      const free = Math.min(places - groupsOf(open.filter(isWanting)), MOST_OPEN * places - groupsOf(open))
      if (free < Math.max(1, Math.floor(places * REFILL))) return open
      shown ??= await world.shown()
      const first = shown
      const groups = await answering(() => drawToShow(run, first, free, world.signal))
      await world.show(groups.flatMap((group) => recordOf(run, group)))
      shown += free * size
      return world.pool()
    },
    close: async () => world.closeVoting((await world.pool()).map(({ id }) => id)),
  }
}
