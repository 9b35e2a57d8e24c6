/** Which answer a rater is shown next. Pure. */
import type { Sample } from '../../../core/protocol/index.ts'

export interface Rater {
  /** Samples that no longer need this rater's vote. */
  done: ReadonlySet<string>
  /** Samples that answer their own questions. */
  asked: ReadonlySet<string>
}

/**
 * Open answers that still need this rater's vote, the next one first: those to their own questions,
 * then the newest step's, and of those the ones with the fewest votes.
 */
export function awaiting(
  samples: readonly Sample[],
  votes: Readonly<Record<string, number>>,
  { done, asked }: Rater,
): Sample[] {
  return samples
    .filter((sample) => sample.status === 'open' && !sample.mine && !done.has(sample.id))
    .sort(
      (a, b) =>
        Number(asked.has(b.id)) - Number(asked.has(a.id)) || b.step - a.step || (votes[a.id] ?? 0) - (votes[b.id] ?? 0),
    )
}

/** The next answer to vote on; if none is open, the newest one that is being written. */
export function nextSample(
  samples: readonly Sample[],
  votes: Readonly<Record<string, number>>,
  rater: Rater,
): Sample | null {
  const open = awaiting(samples, votes, rater).at(0)
  if (open) return open
  const writing = samples.filter((sample) => sample.status === 'streaming' && !rater.done.has(sample.id))
  return writing.sort((a, b) => b.step - a.step).at(0) ?? null
}

/** What the run trains on, by the latest of its prompts: at most `count` different ones. */
export function latestPrompts(samples: readonly Sample[], count: number): string[] {
  const prompts = samples.filter(({ origin }) => origin === 'rollout').map(({ prompt }) => prompt)
  return [...new Set(prompts.reverse())].slice(0, count)
}

/** The answers on the table, in the order in which they came: those open or being written, and the one being read. */
export function onTheTable(samples: readonly Sample[], focusId: string | null): Sample[] {
  return samples.filter(({ id, status }) => status === 'open' || status === 'streaming' || id === focusId)
}
