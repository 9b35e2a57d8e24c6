/** What one rater's socket has reported of a session: the answers that are open to their vote. Pure. */
import type { RoomEvents, SessionSnapshot } from '../../core/protocol/index.ts'

export interface SeenSample {
  id: string
  step: number
  origin: 'rollout' | 'ask'
  prompt: string
  response: string
  votes: number
  status: 'streaming' | 'open' | 'closed'
}

export interface Board {
  /** Every answer seen so far, by id. */
  readonly samples: ReadonlyMap<string, SeenSample>
  /** Answers that are open to votes. */
  open: () => SeenSample[]
  snapshot: (snapshot: SessionSnapshot) => void
  started: (event: RoomEvents['sample-started']) => void
  ready: (event: RoomEvents['sample-ready']) => void
  closed: (event: RoomEvents['voting-closed']) => void
  counted: (event: RoomEvents['feedback-received'] | RoomEvents['feedback-withdrawn']) => void
}

/** Each event is idempotent, as the protocol promises (rule P3): a catch-up may repeat some. */
export function openBoard(): Board {
  const samples = new Map<string, SeenSample>()
  const change = (id: string | null, next: (sample: SeenSample) => SeenSample) => {
    const sample = id === null ? undefined : samples.get(id)
    if (sample !== undefined) samples.set(sample.id, next(sample))
  }
  return {
    samples,
    open: () => [...samples.values()].filter((sample) => sample.status === 'open'),
    snapshot(snapshot) {
      const named = new Set(snapshot.samples.map((sample) => sample.id))
      // What a snapshot no longer names is no longer open.
      for (const id of samples.keys()) if (!named.has(id)) change(id, (sample) => ({ ...sample, status: 'closed' }))
      for (const { id, step, origin, prompt, response, status, crowd } of snapshot.samples) {
        const votes = crowd?.votes ?? samples.get(id)?.votes ?? 0
        const phase =
          status === 'open' ? 'open' : status === 'streaming' || status === 'queued' ? 'streaming' : 'closed'
        samples.set(id, { id, step, origin, prompt, response, votes, status: phase })
      }
    },
    started({ sampleId, step, origin, prompt }) {
      const known = samples.get(sampleId)
      if (known && known.status !== 'streaming') return
      samples.set(sampleId, { id: sampleId, step, origin, prompt, response: '', votes: 0, status: 'streaming' })
    },
    ready: ({ sampleId, response }) =>
      change(sampleId, (sample) => (sample.status === 'streaming' ? { ...sample, response, status: 'open' } : sample)),
    closed: ({ sampleId, crowd }) =>
      change(sampleId, (sample) => ({ ...sample, votes: crowd.votes, status: 'closed' })),
    counted({ sampleId, votes, others = [] }) {
      for (const told of [{ sampleId, votes }, ...others])
        change(told.sampleId, (sample) => ({ ...sample, votes: told.votes }))
    },
  }
}
