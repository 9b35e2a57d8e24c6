/**
 * What the page knows of one session, and how each event of its log changes that.
 * Pure; every change is idempotent, so an event that arrives twice (the live
 * stream and a catch-up may overlap) is one event (rule P3).
 */
import type {
  Bounty,
  CrowdValue,
  Probe,
  Evaluation,
  Receipt,
  RoomEventName,
  RoomEvents,
  RunWarning,
  Sample,
  SessionSnapshot,
  StepMetrics,
  TrainingSession,
} from '../../../core/protocol/index.ts'

export interface Phase {
  phase: RoomEvents['training-phase']['phase']
  step: number
  until: string | null
  /** Of a queued run: 1 is next. */
  position?: number
}

export interface ChainRecord {
  epochId: number
  txHash: string
}

export interface SessionState {
  /** Position in the log of the last event applied; null before the first snapshot. */
  seq: string | null
  /** Positions of the latest events applied, to recognise a repeated one. */
  recent: readonly string[]
  session: TrainingSession | null
  /** In the order in which they were started. */
  samples: readonly Sample[]
  /** Standing votes on each sample, by the sample's id, as far as the log shows. */
  votes: Readonly<Record<string, number>>
  /** In the order of steps. */
  steps: readonly StepMetrics[]
  /** Of the run on held-out prompts, in the order of steps. */
  evaluations: readonly Evaluation[]
  /** The reader's own, newest first. */
  receipts: readonly Receipt[]
  /** Votes of those receipts whose step was undone, by the vote's id: they are void until the step is made again. */
  undone: readonly string[]
  /** The reader's votes that are on the chain, by the vote's id. */
  recorded: Readonly<Record<string, ChainRecord>>
  /** The run's warnings, newest first. */
  warnings: readonly RunWarning[]
  /** What the reference answers to one prompt, and what the policy does now; null: not yet. */
  probe: Probe | null
  /** Why the reader may not vote here; null: they may. */
  exclusion: string | null
  /** Why the reader only watches, a sentence; null: they may vote. */
  watches: string | null
  raters: number
  /** What the session's votes earn. */
  bounties: readonly Bounty[]
  phase: Phase | null
  /** How many votes the last step used. */
  processed: { step: number; votes: number } | null
}

const KEPT = { recent: 512, samples: 160, steps: 2_000, receipts: 100, warnings: 20, evaluations: 500 } as const

export const emptyState: SessionState = {
  seq: null,
  recent: [],
  session: null,
  samples: [],
  votes: {},
  steps: [],
  evaluations: [],
  receipts: [],
  undone: [],
  warnings: [],
  probe: null,
  recorded: {},
  exclusion: null,
  watches: null,
  raters: 0,
  bounties: [],
  phase: null,
  processed: null,
}

/** Applies one event of the session's log; an event already applied changes nothing. */
export function reduce<E extends RoomEventName>(
  state: SessionState,
  event: E,
  payload: RoomEvents[E] & { seq: string },
): SessionState {
  if (state.recent.includes(payload.seq)) return state
  return {
    ...changes[event](state, payload),
    seq: payload.seq,
    recent: [...state.recent.slice(1 - KEPT.recent), payload.seq],
  }
}

/** A snapshot replaces what was known; only the room's transient phase and the chain's records are not in it. */
export function replace(state: SessionState, snapshot: SessionSnapshot): SessionState {
  return {
    ...emptyState,
    ...snapshot,
    watches: snapshot.watches ?? null,
    votes: Object.fromEntries(snapshot.samples.flatMap((s) => (s.crowd ? [[s.id, s.crowd.votes]] : []))),
    recorded: state.recorded,
    phase: state.phase,
  }
}

type Changes = { [E in RoomEventName]: (state: SessionState, payload: RoomEvents[E]) => SessionState }

const status =
  (next: TrainingSession['status'], pauseReason: string | null = null) =>
  (state: SessionState) =>
    state.session ? { ...state, session: { ...state.session, status: next, pauseReason } } : state

const changes: Changes = {
  'training-started': status('active'),
  'training-resumed': status('active'),
  'training-paused': (state, { reason = null }) => ({ ...status('paused', reason)(state), phase: null }),
  'training-completed': (state) => ({ ...status('completed')(state), phase: null }),
  'training-failed': (state, { error }) => ({
    ...state,
    phase: null,
    session: state.session && { ...state.session, status: 'failed', error },
  }),
  'training-progress': (state, { step, metrics, timestamp, policyVersion }) => ({
    ...state,
    steps: withStep(state.steps, { step, metrics, timestamp }),
    session: state.session && {
      ...state.session,
      // A repeated step is not the latest.
      ...(step >= state.session.currentStep && { metrics, policyVersion, currentStep: step }),
    },
  }),
  'steps-undone': (state, { from }) => {
    const steps = state.steps.filter(({ step }) => step < from)
    const lost = state.receipts.filter(({ provisional, step }) => provisional && step >= from)
    return {
      ...state,
      steps,
      undone: [...new Set([...state.undone, ...lost.map(({ feedbackId }) => feedbackId)])],
      processed: state.processed && state.processed.step < from ? state.processed : null,
      session: state.session && {
        ...state.session,
        metrics: steps.at(-1)?.metrics ?? state.session.metrics,
        currentStep: Math.min(state.session.currentStep, from - 1),
      },
    }
  },
  probe: (state, { prompt, before, now, step }) => ({ ...state, probe: { prompt, before, now, step } }),
  'metrics-update': (state, { metrics }) => ({
    ...state,
    session: state.session && { ...state.session, metrics: { ...state.session.metrics, ...metrics } },
  }),
  'checkpoint-saved': (state) => state,
  'training-warning': (state, { sessionId, step, kind, message, timestamp }) => {
    const others = state.warnings.filter((warning) => warning.step !== step || warning.kind !== kind)
    return { ...state, warnings: [{ sessionId, step, kind, message, timestamp }, ...others].slice(0, KEPT.warnings) }
  },
  evaluation: (state, payload) => ({
    ...state,
    evaluations: inOrder(state.evaluations, evaluationOf(payload)).slice(-KEPT.evaluations),
  }),
  'training-phase': (state, { phase, step, until, position }) => ({
    ...state,
    phase: { phase, step, until, ...(position !== undefined && { position }) },
    session: state.session && {
      ...state.session,
      queue: phase === 'queued' && position !== undefined ? { position } : null,
    },
  }),
  'sample-started': (state, payload) => started(state, payload),
  'sample-tokens': (state, { sampleId, offset, text, others = [] }) =>
    [...others, { sampleId, offset, text }].reduce((next, piece) => written(next, piece), state),
  'sample-ready': (state, { sampleId, response }) =>
    withSample(state, sampleId, (sample) => ({
      ...sample,
      response,
      status: sample.status === 'closed' ? 'closed' : 'open',
    })),
  'voting-closed': (state, { sampleId, crowd }) =>
    withSample(counted(state, sampleId, crowd.votes), sampleId, (sample) => ({ ...sample, status: 'closed', crowd })),
  'feedback-received': tallied,
  'feedback-withdrawn': tallied,
  'bounties-changed': (state, { bounties }) => ({ ...state, bounties }),
  'feedback-processed': (state, { step, votes }) => ({ ...state, processed: { step, votes } }),
}

/** Every event of a session's log, by name. */
export const roomEventNames = Object.keys(changes) as RoomEventName[]

/** What the trainer is doing: as last reported, or, for somebody who has just joined, inferred from its samples. */
export function phaseOf({ phase, samples, session }: SessionState): Phase | null {
  if (phase) return phase
  if (session?.queue)
    return { phase: 'queued', step: session.currentStep + 1, until: null, position: session.queue.position }
  const latest = samples.findLast((sample) => sample.origin === 'rollout')
  if (latest?.status === 'streaming') return { phase: 'generating', step: latest.step, until: null }
  if (latest?.status === 'open') return { phase: 'voting', step: latest.step, until: null }
  return null
}

/** The run's last step, as far as this page knows. */
export interface LastStep {
  step: number
  /** By the trainer's clock. */
  at: string
  /** That it used, if this page was there to hear it. */
  votes: number | null
}

export function lastStepOf({ steps, processed }: SessionState): LastStep | null {
  const last = steps.at(-1)
  if (last === undefined) return null
  return { step: last.step, at: last.timestamp, votes: processed?.step === last.step ? processed.votes : null }
}

/** The run's votes wait until they can't be withdrawn, as its states can't be kept for going back to. */
export const waitsForWithdrawals = ({ warnings }: Pick<SessionState, 'warnings'>): boolean =>
  warnings.some(({ kind }) => kind === 'waits-for-withdrawals')

/** For how long a warning stays visible to everybody, as the run's steps count time; milliseconds. */
const FRESH_MS = 60_000

/**
 * The warnings that still matter, newest first, the latest of each kind. That a run waits for withdrawals is true for
 * as long as it lasts.
 */
export function freshWarnings({ warnings, steps }: Pick<SessionState, 'warnings' | 'steps'>): RunWarning[] {
  const until = Date.parse(steps.at(-1)?.timestamp ?? '')
  const old = (at: string) => until - Date.parse(at) > FRESH_MS
  return warnings.filter(
    ({ kind, timestamp }, i) =>
      warnings.findIndex((other) => other.kind === kind) === i && (kind === 'waits-for-withdrawals' || !old(timestamp)),
  )
}

/** The reader's vote was stored: it now counts on its sample, and the crowd's value becomes visible to them. */
export function voted(
  state: SessionState,
  sampleId: string,
  mine: NonNullable<Sample['mine']>,
  crowd: CrowdValue | null,
): SessionState {
  const next = crowd ? counted(state, sampleId, crowd.votes) : state
  return withSample(next, sampleId, (sample) => ({ ...sample, mine, crowd: crowd ?? sample.crowd }))
}

/**
 * The reader's vote was withdrawn: it has no receipt any more, and while voting is open, the crowd's value is hidden
 * again.
 */
export function withdrawn(state: SessionState, feedbackId: string): SessionState {
  const sample = state.samples.find((s) => s.mine?.feedbackId === feedbackId)
  const rest = { ...state, receipts: state.receipts.filter((receipt) => receipt.feedbackId !== feedbackId) }
  return sample ? unvoted(rest, sample.id) : rest
}

/** The reader has voted on it, or withdrawn that vote, in another tab or on another device. */
export function votedElsewhere(state: SessionState, sampleId: string, mine: Sample['mine']): SessionState {
  if (mine) return voted(state, sampleId, mine, null)
  const taken = state.samples.find(({ id }) => id === sampleId)?.mine
  return unvoted(taken ? withdrawn(state, taken.feedbackId) : state, sampleId)
}

const unvoted = (state: SessionState, sampleId: string): SessionState =>
  withSample(state, sampleId, (sample) => ({
    ...sample,
    mine: null,
    crowd: sample.status === 'closed' ? sample.crowd : null,
  }))

/**
 * A receipt comes as long as its step is provisional, perhaps once more of a step made again, and once it is final; in
 * the list it keeps its place.
 */
export function receipted(state: SessionState, receipt: Receipt): SessionState {
  const known = state.receipts.some(({ feedbackId }) => feedbackId === receipt.feedbackId)
  const receipts = known
    ? state.receipts.map((one) => (one.feedbackId === receipt.feedbackId ? receipt : one))
    : [receipt, ...state.receipts]
  return {
    ...state,
    receipts: receipts.slice(0, KEPT.receipts),
    undone: state.undone.filter((id) => id !== receipt.feedbackId),
  }
}

export function chained(state: SessionState, feedbackId: string, record: ChainRecord): SessionState {
  return { ...state, recorded: { ...state.recorded, [feedbackId]: record } }
}

function started(state: SessionState, payload: RoomEvents['sample-started']): SessionState {
  const { sampleId, sessionId, prompt, policyVersion, step, origin } = payload
  const known = state.samples.find((s) => s.id === sampleId)
  // A step repeated after a crash writes the same samples again: those voted on stay unchanged.
  if (known && known.status !== 'queued' && known.status !== 'streaming') return state
  const sample: Sample = {
    id: sampleId,
    sessionId,
    step,
    origin,
    prompt,
    response: '',
    policyVersion,
    status: 'streaming',
    crowd: null,
    mine: null,
    timestamp: known?.timestamp ?? new Date(0).toISOString(),
  }
  if (known) return withSample(state, sampleId, () => sample)
  return { ...state, samples: [...state.samples, sample].slice(-KEPT.samples) }
}

function written(
  state: SessionState,
  { sampleId, offset, text }: { sampleId: string; offset: number; text: string },
): SessionState {
  return withSample(state, sampleId, (sample) =>
    sample.status === 'streaming' || sample.status === 'queued'
      ? { ...sample, status: 'streaming', response: spliced(sample.response, offset, text) }
      : sample,
  )
}

/**
 * `text` written over `response` from character `offset` on; missed text before it stays blank until `sample-ready`.
 */
function spliced(response: string, offset: number, text: string): string {
  return response.padEnd(offset, ' ').slice(0, offset) + text + response.slice(offset + text.length)
}

function withSample(state: SessionState, id: string, change: (sample: Sample) => Sample): SessionState {
  return { ...state, samples: state.samples.map((sample) => (sample.id === id ? change(sample) : sample)) }
}

function counted(state: SessionState, sampleId: string, votes: number): SessionState {
  return { ...state, votes: { ...state.votes, [sampleId]: votes } }
}

/** The result of a tick's votes: for the sample named, and for the others that changed with it. */
function tallied(
  state: SessionState,
  { sampleId, votes, crowd, others = [] }: RoomEvents['feedback-received'],
): SessionState {
  const named = sampleId === null ? [] : [{ sampleId, votes, crowd }]
  return [...named, ...others].reduce((next, tally) => {
    const told = counted(next, tally.sampleId, tally.votes)
    return tally.crowd
      ? withSample(told, tally.sampleId, (sample) => ({ ...sample, crowd: tally.crowd ?? sample.crowd }))
      : told
  }, state)
}

/** Without the position in the log that an event comes with. */
const evaluationOf = (payload: Evaluation): Evaluation => ({
  sessionId: payload.sessionId,
  step: payload.step,
  policyVersion: payload.policyVersion,
  metrics: payload.metrics,
  heads: payload.heads,
  against: payload.against,
  regressed: payload.regressed,
  shows: payload.shows,
  setAside: payload.setAside,
  timestamp: payload.timestamp,
})

function withStep(steps: readonly StepMetrics[], step: StepMetrics): readonly StepMetrics[] {
  return inOrder(steps, step).slice(-KEPT.steps)
}

/** With one more step's, which replaces what that step had before. */
function inOrder<T extends { step: number }>(all: readonly T[], one: T): readonly T[] {
  const last = all.at(-1)
  if (!last || last.step < one.step) return [...all, one]
  return [...all.filter(({ step }) => step !== one.step), one].sort((a, b) => a.step - b.step)
}
