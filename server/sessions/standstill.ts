/**
 * Detects stalled parts: those that have been silent, or have failed each time, for longer than three of their
 * intervals. Processes record heartbeats in Postgres; the server's own loops are watched here.
 */
import type { Deps, Watches } from '../deps.ts'
import { heartbeats, TRAINER_MS, type Heartbeat } from '../../core/db/heartbeats.ts'
import { runsToTrain } from '../../core/db/run-queue.ts'

export interface Standstill {
  /** recorder, trainer, reconciler, disputes, bounties, relayer or treasury. */
  name: string
  /** When it last did something; null: never, as far as this server knows. */
  lastSeen: string | null
  everyMs: number
  /** A sentence for people. */
  reason: string
}

const INTERVALS = 3
/** However short an interval is, a busy machine may take this long, milliseconds … */
const LEAST_MS = 10_000
/** … and a process that has not been seen yet may take this long to start. */
const FIRST_MS = 120_000

export function openWatches(now: () => number = Date.now): Watches {
  const loops = new Map<string, { everyMs: number; at: number; failing: { since: number; error: string } | null }>()
  return {
    since: now(),
    add(name, everyMs) {
      loops.set(name, { everyMs, at: now(), failing: null })
      return {
        turned(error) {
          const last = loops.get(name)?.failing ?? null
          const failing =
            error === undefined
              ? null
              : { since: last?.since ?? now(), error: error instanceof Error ? error.message : String(error) }
          loops.set(name, { everyMs, at: now(), failing })
        },
        remove: () => void loops.delete(name),
      }
    },
    all: () =>
      [...loops].map(([part, { everyMs, at, failing }]) => ({
        part,
        everyMs,
        silentMs: now() - at,
        failingMs: failing && now() - failing.since,
        error: failing && failing.error,
      })),
  }
}

/** Every part that has stalled. Rejects if Postgres does not respond. */
export async function standstills(
  deps: Pick<Deps, 'pool' | 'chain' | 'watches' | 'recordEveryMs'>,
): Promise<Standstill[]> {
  const [known, wanted] = await Promise.all([heartbeats(deps.pool), runsToTrain(deps.pool)])
  const upMs = Date.now() - deps.watches.since
  // After a long downtime everything is late: each part gets its usual time from this server's start.
  const processes = (['recorder', 'trainer'] as const).map((part): Heartbeat & { never: boolean } => {
    const found = known.find((one) => one.part === part)
    const everyMs = found?.everyMs ?? (part === 'recorder' ? deps.recordEveryMs : TRAINER_MS)
    return {
      part,
      everyMs,
      silentMs: Math.min(found?.silentMs ?? Infinity, upMs),
      failingMs: found?.failingMs == null ? null : Math.min(found.failingMs, upMs),
      error: found?.error ?? null,
      never: found === undefined,
    }
  })
  const expected = processes.filter(({ part }) => (part === 'recorder' ? deps.chain !== null : wanted.length > 0))
  return [...expected, ...deps.watches.all().map((loop) => ({ ...loop, never: false }))].flatMap((one) => {
    const reason = reasonOf(one)
    return reason === null
      ? []
      : [
          {
            name: one.part,
            lastSeen: one.never ? null : new Date(Date.now() - one.silentMs).toISOString(),
            everyMs: one.everyMs,
            reason,
          },
        ]
  })
}

function reasonOf({ part, everyMs, silentMs, failingMs, error, never }: Heartbeat & { never: boolean }): string | null {
  const patience = Math.max(INTERVALS * everyMs, never ? FIRST_MS : LEAST_MS)
  const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`
  if (silentMs > patience) {
    return `${part}: ${never ? 'it has not been seen' : 'nothing has been heard of it'} for ${seconds(silentMs)}, and it should act every ${seconds(everyMs)}: look at its log, and start it again`
  }
  if (failingMs !== null && failingMs > patience)
    return `${part}: it has failed each time for ${seconds(failingMs)}: ${error ?? 'look at its log'}`
  return null
}
