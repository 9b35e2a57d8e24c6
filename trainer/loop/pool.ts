/**
 * The rolling pool: the answers that people vote on. One leaves when it has its votes, or everybody's where fewer people
 * are here, or when it has been open for its time and people have gone on to others. New ones of the current policy take
 * the empty places.
 */
import { limits } from '../../core/protocol/index.ts'
import type { OpenAnswer } from '../../core/db/samples.ts'
import type { Evaluator } from './evaluator.ts'
import { drawToShow, groupSize, recordOf } from './rollouts.ts'
import type { Run } from './run-state.ts'
import type { World } from './world.ts'

/** Empty places are filled once they are this share of all. */
const REFILL = 1 / 4

/** For so long an answer waits for people who have not voted yet, even if all who have are done with it; milliseconds. */
const COMPANY_MS = 10_000

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

  const isDue = ({ votes, people, openMs, overtaken }: OpenAnswer): boolean =>
    votes >= minVotes ||
    (people > 0 && votes >= people && openMs >= COMPANY_MS) ||
    (overtaken && openMs >= 1000 * votingWindowSeconds)

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
      const free = places - Math.ceil(open.length / size)
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
