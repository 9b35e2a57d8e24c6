/** Which answer a rater is shown next. Pure. */
import type { Sample } from '../../server/protocol.ts'

/** Open answers that still want this rater's vote, the next one first: the newest step's, and of those the least voted on. */
export function awaiting(
  samples: readonly Sample[],
  votes: Readonly<Record<string, number>>,
  done: ReadonlySet<string>,
): Sample[] {
  return samples
    .filter((sample) => sample.status === 'open' && !sample.mine && !done.has(sample.id))
    .sort((a, b) => b.step - a.step || (votes[a.id] ?? 0) - (votes[b.id] ?? 0))
}

/** The next answer to vote on; where none is open, the newest one that is being written. */
export function nextSample(
  samples: readonly Sample[],
  votes: Readonly<Record<string, number>>,
  done: ReadonlySet<string>,
): Sample | null {
  const open = awaiting(samples, votes, done).at(0)
  if (open) return open
  const writing = samples.filter((sample) => sample.status === 'streaming' && !done.has(sample.id))
  return writing.sort((a, b) => b.step - a.step).at(0) ?? null
}

/** The answers of the step that is being shown, and any older one that still waits for this rater. */
export function onTheTable(samples: readonly Sample[], done: ReadonlySet<string>): Sample[] {
  const step = samples.reduce((latest, sample) => Math.max(latest, sample.step), 0)
  return samples.filter(
    (sample) => sample.step === step || (sample.status === 'open' && !sample.mine && !done.has(sample.id)),
  )
}
