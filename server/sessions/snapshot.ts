import type { Redis } from 'ioredis'
import { bountiesOf } from '../rewards/bounties.ts'
import type { Deps } from '../deps.ts'
import { listEvaluations } from '../../core/db/evaluations.ts'
import { exclusionOf } from '../../core/db/exclusions.ts'
import { receiptsOfUser } from '../../core/db/receipts.ts'
import { listSamples } from '../../core/db/samples.ts'
import { findSession, probeOf } from '../../core/db/sessions.ts'
import { stepMetrics } from '../../core/db/steps.ts'
import { warningsOf } from '../../core/db/warnings.ts'
import { limits, type Sample, type SessionSnapshot } from '../../core/protocol/index.ts'
import { compareSeq, readBack, START } from '../../core/events/log.ts'

/** Receipts in a snapshot, the reader's latest ones. */
const RECEIPTS = 100

/** The part of a session that all readers see alike, as of a position of its log. */
type Common = Pick<SessionSnapshot, 'session' | 'steps' | 'evaluations' | 'warnings' | 'probe' | 'bounties'>

export interface Snapshots {
  /**
   * A session as a reader may see it (rules P3, V3). `seq` must have been read from the log before
   * this is called: what happened up to there is in Postgres, and so in the snapshot, whose own
   * `seq` may be an earlier one: the reader must be sent what came after it.
   */
  take: (reader: {
    sessionId: string
    readerId: string
    seq: string
    raters: number
    watches: string | null
  }) => Promise<SessionSnapshot>
  /** Events may have been lost: what was read before is stale. */
  forget: () => void
}

/**
 * Takes snapshots. When a whole room comes back at once, the shared part is read once and reused
 * for `limits.snapshotMs`: it is older than the log's end by then, and its `seq` says by how much.
 */
export function openSnapshots(deps: Deps): Snapshots {
  const read = new Map<string, { seq: string; at: number; common: Promise<Common> }>()

  async function commonOf(sessionId: string, seq: string): Promise<{ seq: string; common: Common }> {
    for (const [id, { at }] of read) if (Date.now() - at >= limits.snapshotMs) read.delete(id)
    const before = read.get(sessionId)
    // Without a log nobody could be told of what came since; a log that begins anew knows nothing of it.
    if (before !== undefined && seq !== START && compareSeq(before.seq, seq) <= 0)
      return { seq: before.seq, common: await before.common }
    const common = readCommon(deps, sessionId)
    if (seq !== START) {
      read.set(sessionId, { seq, at: Date.now(), common })
      common.catch(() => read.delete(sessionId))
    }
    return { seq, common: await common }
  }

  return {
    async take({ sessionId, readerId, seq: end, raters, watches }) {
      const [{ seq, common }, samples, receipts, exclusion] = await Promise.all([
        commonOf(sessionId, end),
        listSamples(deps.pool, { sessionId, readerId, limit: limits.snapshotSamples }),
        receiptsOfUser(deps.pool, readerId, RECEIPTS, sessionId),
        exclusionOf(deps.pool, sessionId, readerId),
      ])
      return {
        seq,
        ...common,
        samples: await withPartialText(deps, sessionId, end, samples),
        receipts,
        exclusion: exclusion?.reason ?? null,
        ...(watches !== null && { watches }),
        raters,
      }
    },
    forget: () => read.clear(),
  }
}

async function readCommon(deps: Deps, sessionId: string): Promise<Common> {
  const [session, steps, evaluations, warnings, probe, bounties] = await Promise.all([
    findSession(deps.pool, sessionId),
    stepMetrics(deps.pool, sessionId, 0, limits.snapshotSteps),
    listEvaluations(deps.pool, sessionId, limits.snapshotEvaluations),
    warningsOf(deps.pool, sessionId, limits.snapshotWarnings),
    probeOf(deps.pool, sessionId),
    bountiesOf(deps, sessionId),
  ])
  return { session, steps, evaluations, warnings, probe, bounties }
}

/** Postgres has a response once it is complete; what has been streamed of the others is in the log. */
async function withPartialText(deps: Deps, sessionId: string, seq: string, samples: Sample[]): Promise<Sample[]> {
  const streaming = samples.filter((sample) => sample.status === 'streaming').map((sample) => sample.id)
  if (streaming.length === 0 || seq === START) return samples
  const texts = await partialTexts(deps.redis, sessionId, seq, new Set(streaming)).catch((error: unknown) => {
    deps.log.warn({ err: error, sessionId }, 'a snapshot goes without what was streaming')
    return new Map<string, string>()
  })
  return samples.map((sample) =>
    sample.status === 'streaming' ? { ...sample, response: texts.get(sample.id) ?? '' } : sample,
  )
}

/** Entries read at a time. */
const CHUNK = 500

/**
 * The text that was streamed of each wanted sample up to `until`, reading backwards until all have been seen to start.
 */
async function partialTexts(
  redis: Redis,
  sessionId: string,
  until: string,
  wanted: Set<string>,
): Promise<Map<string, string>> {
  const pieces = new Map([...wanted].map((id) => [id, [] as { offset: number; text: string }[]]))
  for (let from: string = until; wanted.size > 0;) {
    const entries = await readBack(redis, sessionId, from, CHUNK)
    for (const { event, payload } of entries) {
      if (event === 'sample-started') wanted.delete(payload.sampleId)
      if (event === 'sample-tokens' && wanted.has(payload.sampleId)) pieces.get(payload.sampleId)?.push(payload)
    }
    const last = entries.at(-1)
    if (last === undefined || entries.length < CHUNK) break
    from = `(${last.seq}`
  }
  return new Map([...pieces].map(([id, parts]) => [id, assemble(parts)]))
}

/**
 * Pieces by offset, as far as they leave no gap. A step that was repeated after a crash streams the same text again.
 */
function assemble(parts: { offset: number; text: string }[]): string {
  let text = ''
  for (const part of parts.sort((a, b) => a.offset - b.offset)) {
    if (part.offset > text.length) break
    text = text.slice(0, part.offset) + part.text + text.slice(part.offset + part.text.length)
  }
  return text
}
