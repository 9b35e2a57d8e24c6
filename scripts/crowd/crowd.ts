/** A crowd of simulated raters on one session, through the real sockets, and its results. */
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { sessionOf, signInAsGuest } from './account.ts'
import { temperAfter, type Temper } from './judge.ts'
import type { CrowdOptions } from './options.ts'
import { HUMAN } from './pace.ts'
import { openRater, type Rater, type VoteRecord } from './rater.ts'
import { reportOf, type CrowdReport } from './report.ts'

const PROGRESS_MS = 1_000
const DRAIN_SECONDS = 40

/**
 * Signs the raters in, lets them vote, waits for their receipts. Always closes its sockets. What a
 * rater does follows from the seed, the rater's number and what the stream shows.
 *
 * @throws RestError where the session doesn't exist or the server refuses guests.
 */
export async function runCrowd(options: CrowdOptions): Promise<CrowdReport> {
  const stop = new AbortController()
  setMaxListeners(options.raters, stop.signal)
  const end = () => stop.abort()
  options.signal?.addEventListener('abort', end, { once: true })
  const raters: Rater[] = []
  let started = Infinity
  const elapsed = () => (Date.now() - started) / 1_000
  try {
    await enter(options, raters, elapsed)
    started = Date.now()
    const timer = setTimeout(end, options.seconds * 1_000)
    const watch = setInterval(() => {
      const phase = stop.signal.aborted ? 'waiting for receipts' : 'voting'
      options.onProgress?.({ phase, elapsed: elapsed(), raters })
    }, PROGRESS_MS)
    try {
      if (options.signal?.aborted) end()
      await Promise.all(raters.map((rater) => rater.work(stop.signal)))
      const seconds = elapsed()
      await drain(raters, options.drainSeconds ?? DRAIN_SECONDS)
      const received = raters.reduce((sum, rater) => sum + receipted(rater).length, 0)
      for (const rater of raters) await rater.fetchReceipts()
      return reportOf(options, raters, { seconds, received, total: elapsed() })
    } finally {
      clearTimeout(timer)
      clearInterval(watch)
    }
  } finally {
    options.signal?.removeEventListener('abort', end)
    for (const rater of raters) rater.close()
  }
}

/** Everybody signs in and joins. */
async function enter(options: CrowdOptions, raters: Rater[], elapsed: () => number): Promise<void> {
  const { url, session: sessionId, seed = 1, noise = 0.12, pace = HUMAN, votes = 'oracle', withdrawn = 0 } = options
  const adversaries = Math.round((options.adversaries ?? 0) * options.raters)
  let left = options.maxVotes ?? Infinity
  const mayVote = () => left-- > 0
  for (let i = 0; i < options.raters; i++) {
    const honest: Temper = votes === 'random' ? 'random' : 'honest'
    const own = i < options.raters - adversaries ? honest : 'adversary'
    const temper = () => temperAfter(elapsed(), own, options.turns ?? [])
    const account = await signInAsGuest(url, `simulated rater ${i + 1}`)
    const { configuration } = await sessionOf(account, sessionId)
    raters.push(
      openRater({
        ...{ url, account, sessionId, configuration, temper, noise, pace, withdrawn, mayVote },
        seed: `${seed}:${i}`,
      }),
    )
  }
}

/**
 * Waits until every acknowledged vote has its receipt, or none came for that long. A vote that was too late for its
 * step may get none.
 */
async function drain(raters: readonly Rater[], seconds: number): Promise<void> {
  const count = (of: (rater: Rater) => VoteRecord[]) => raters.reduce((sum, rater) => sum + of(rater).length, 0)
  let got = count(receipted)
  let last = Date.now()
  const over = () => raters.some((rater) => rater.ended !== null)
  while (got < count(acknowledged) && !over() && Date.now() - last < seconds * 1_000) {
    await sleep(200)
    const now = count(receipted)
    if (now > got) last = Date.now()
    got = now
  }
}

/** Those that stand. */
export const acknowledged = (rater: Rater): VoteRecord[] =>
  rater.votes.filter((vote) => vote.ackedAt !== null && !vote.withdrawn)
/** … and have their final receipts. */
export const receipted = (rater: Rater): VoteRecord[] =>
  rater.votes.filter((vote) => vote.receipt?.provisional === false && !vote.withdrawn)
