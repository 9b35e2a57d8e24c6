import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Receipt,
  type RoomEventName,
  type RoomEvents,
  type RunWarning,
  type SessionSnapshot,
  type TrainingSession,
  TrainingConfig,
} from '../../core/protocol/index.ts'
import {
  chained,
  emptyState,
  freshWarnings,
  lastStepOf,
  phaseOf,
  receipted,
  reduce,
  replace,
  roomEventNames,
  voted,
  votedElsewhere,
  withdrawn,
  type SessionState,
} from '../../client/src/room/state.ts'

const sessionId = 'demo'
const sampleId = '4be0643f-1d98-573b-97cd-ca98a65347dd'
const otherId = '1c6f8a0e-7d3b-4f5a-9c2e-0b1a2c3d4e5f'
const feedbackId = '9b2d5b0c-53d1-4d0e-8f3a-6a1f0f6f2c11'
const timestamp = '2026-01-01T00:00:00.000Z'

const session: TrainingSession = {
  id: sessionId,
  title: 'Demo',
  modelId: 'demo',
  userId: otherId,
  status: 'active',
  startTime: timestamp,
  endTime: null,
  totalSteps: 10,
  currentStep: 0,
  policyVersion: 0,
  metrics: {},
  configuration: TrainingConfig.parse({}),
  error: null,
  pauseReason: null,
  queue: null,
  blockchain: { recorded: 0, lastEpoch: null },
}
const snapshot: SessionSnapshot = {
  seq: '1-0',
  session,
  samples: [],
  steps: [],
  evaluations: [],
  receipts: [],
  warnings: [],
  probe: null,
  exclusion: null,
  raters: 3,
  bounties: [],
}
const joined = replace(emptyState, snapshot)

type Entry = { [E in RoomEventName]: readonly [E, RoomEvents[E]] }[RoomEventName]

/** Applies a log from position 2 on. */
function play(state: SessionState, log: readonly Entry[], from = 2): SessionState {
  return log.reduce((s, [event, payload], i) => reduce(s, event, { ...payload, seq: `${from + i}-0` }), state)
}

const log: Entry[] = [
  ['training-phase', { sessionId, phase: 'generating', step: 1, until: null }],
  ['sample-started', { sessionId, sampleId, prompt: 'My cat is ill.', policyVersion: 0, step: 1, origin: 'rollout' }],
  ['sample-tokens', { sessionId, sampleId, offset: 0, text: 'I am ' }],
  ['sample-tokens', { sessionId, sampleId, offset: 5, text: 'sorry.' }],
  ['sample-ready', { sessionId, sampleId, response: 'I am sorry.' }],
  ['feedback-received', { sessionId, sampleId, votes: 2 }],
  ['voting-closed', { sessionId, sampleId, crowd: { value: 0.7, compassion: 0.8, votes: 2 } }],
  [
    'training-progress',
    { sessionId, session: sessionId, epoch: 1, step: 1, policyVersion: 1, metrics: { 'objective/kl': 0.1 }, timestamp },
  ],
  ['feedback-processed', { sessionId, step: 1, votes: 2 }],
]

describe('P3: state is a snapshot, then idempotent changes', () => {
  test('a sample is written token by token, opens, and closes with the crowd’s value', () => {
    const states = log.map((_, i) => play(joined, log.slice(0, i + 1)))
    expect(states.map((s) => [s.samples[0]?.status, s.samples[0]?.response])).toEqual([
      [undefined, undefined],
      ['streaming', ''],
      ['streaming', 'I am '],
      ['streaming', 'I am sorry.'],
      ['open', 'I am sorry.'],
      ['open', 'I am sorry.'],
      ['closed', 'I am sorry.'],
      ['closed', 'I am sorry.'],
      ['closed', 'I am sorry.'],
    ])
    const end = play(joined, log)
    expect(end.samples[0]?.crowd?.value).toBe(0.7)
    expect(end.session?.policyVersion).toBe(1)
    expect(end.steps).toEqual([{ step: 1, metrics: { 'objective/kl': 0.1 }, timestamp }])
    expect(end.seq).toBe('10-0')
  })

  test('an event that arrives twice, at once or after a catch-up, changes nothing the second time', () => {
    fc.assert(
      fc.property(fc.nat(log.length), fc.nat(log.length), (a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)]
        const once = play(joined, log)
        const overlapping = log
          .slice(from, to)
          .reduce<SessionState>(
            (s, [event, payload], i) => reduce(s, event, { ...payload, seq: `${2 + from + i}-0` }),
            play(joined, log.slice(0, to)),
          )
        const caughtUp = play(overlapping, log.slice(to), 2 + to)
        expect(caughtUp).toEqual(once)
      }),
    )
  })

  test('the same events under new positions leave the same samples, steps and counts', () => {
    const once = play(joined, log)
    const twice = play(once, log, 2 + log.length)
    expect({ ...twice, seq: null, recent: [] }).toEqual({ ...once, seq: null, recent: [] })
  })

  test('a snapshot replaces everything but what the chain said', () => {
    const before = chained(play(joined, log), feedbackId, { epochId: 3, txHash: '0xab' })
    const after = replace(before, { ...snapshot, seq: '99-0' })
    expect(after.samples).toEqual([])
    expect(after.seq).toBe('99-0')
    expect(after.recorded).toEqual({ [feedbackId]: { epochId: 3, txHash: '0xab' } })
  })

  test('one message of a tick counts every sample that it names, and shows the values that it holds', () => {
    const started = (id: string): Entry => [
      'sample-started',
      { sessionId, sampleId: id, prompt: 'p', policyVersion: 0, step: 1, origin: 'rollout' },
    ]
    const crowd = { value: 0.7, compassion: 0.8, votes: 4 }
    const state = play(joined, [
      started(sampleId),
      started(otherId),
      ['feedback-received', { sessionId, sampleId, votes: 4, crowd, others: [{ sampleId: otherId, votes: 2 }] }],
    ])
    expect(state.votes).toEqual({ [sampleId]: 4, [otherId]: 2 })
    expect(state.samples.map((sample) => sample.crowd)).toEqual([crowd, null])
  })

  test('one message of a tick writes every piece that it holds, in their order', () => {
    const state = play(joined, [
      ['sample-started', { sessionId, sampleId, prompt: 'p', policyVersion: 0, step: 1, origin: 'rollout' }],
      ['sample-started', { sessionId, sampleId: otherId, prompt: 'q', policyVersion: 0, step: 1, origin: 'rollout' }],
      [
        'sample-tokens',
        {
          sessionId,
          sampleId,
          offset: 5,
          text: 'sorry',
          others: [
            { sampleId: otherId, offset: 0, text: 'Yes' },
            { sampleId, offset: 0, text: 'I am ' },
          ],
        },
      ],
    ])
    expect(state.samples.map((sample) => sample.response)).toEqual(['I am sorry', 'Yes'])
  })

  test('events about samples that are not known change no sample', () => {
    const state = play(joined, [
      ['sample-tokens', { sessionId, sampleId: otherId, offset: 0, text: 'x' }],
      ['sample-ready', { sessionId, sampleId: otherId, response: 'x' }],
    ])
    expect(state.samples).toEqual([])
  })

  test('whoever comes in mid-answer sees its end now and its whole when it is ready', () => {
    const state = play(joined, [
      ['sample-started', { sessionId, sampleId, prompt: 'p', policyVersion: 0, step: 1, origin: 'rollout' }],
      ['sample-tokens', { sessionId, sampleId, offset: 4, text: 'end' }],
    ])
    expect(state.samples[0]?.response).toBe('    end')
  })

  test('a step that is repeated after a crash does not take back an answer that is open', () => {
    const state = play(joined, log.slice(0, 5))
    const [event, payload] = log[1]!
    expect(reduce(state, event, { ...payload, seq: '50-0' }).samples[0]?.status).toBe('open')
  })

  test('every event of the protocol has its change', async () => {
    const { roomEvents } = await import('../../core/protocol/index.ts')
    expect([...roomEventNames].sort()).toEqual(Object.keys(roomEvents).sort())
  })
})

describe('V3: the crowd’s value is there after voting only', () => {
  const open = play(joined, log.slice(0, 6))
  const mine = { feedbackId, humanRating: 8, compassionRating: 0.9 }

  test('a count without a value shows no value', () => {
    expect(open.votes[sampleId]).toBe(2)
    expect(open.samples[0]?.crowd).toBeNull()
  })

  test('voting shows it, withdrawing hides it again while voting is open', () => {
    const after = voted(open, sampleId, mine, { value: 0.6, compassion: 0.7, votes: 3 })
    expect(after.samples[0]).toMatchObject({ mine, crowd: { value: 0.6 } })
    expect(withdrawn(after, feedbackId).samples[0]).toMatchObject({ mine: null, crowd: null })
  })

  test('once voting has closed it stays', () => {
    const closed = voted(play(joined, log.slice(0, 7)), sampleId, mine, null)
    expect(withdrawn(closed, feedbackId).samples[0]).toMatchObject({ mine: null, crowd: { value: 0.7 } })
  })
})

const receipt: Receipt = {
  feedbackId,
  sessionId,
  sampleId,
  step: 1,
  weight: 0.3,
  reliability: 0.6,
  crowd: 0.7,
  advantage: 0.4,
  latencyMs: 1_400,
  comparable: 3,
  updated: true,
  provisional: true,
  logprob: { before: -41.24, after: -41.16 },
}
const progress = (step: number, kl = step / 10): Entry => [
  'training-progress',
  { sessionId, session: sessionId, epoch: step, step, policyVersion: step, metrics: { 'objective/kl': kl }, timestamp },
]
const undone = (from: number): Entry => ['steps-undone', { sessionId, from }]

describe('receipts', () => {
  test('one that comes twice is one', () => {
    expect(receipted(receipted(joined, receipt), receipt).receipts).toEqual([receipt])
  })

  test('the final one takes the place of the provisional one, wherever that is by now', () => {
    const newer = { ...receipt, feedbackId: otherId, step: 2 }
    const final = { ...receipt, provisional: false }
    const state = [receipt, newer, final].reduce(receipted, joined)
    expect(state.receipts).toEqual([newer, final])
  })

  test('of a step that is undone, it is void until the step is made again, whatever its number is then', () => {
    const before = [receipt, { ...receipt, feedbackId: otherId, step: 3 }].reduce(receipted, joined)
    const state = play(before, [undone(2)])
    expect([state.receipts.length, state.undone]).toEqual([2, [otherId]])
    const again = receipted(state, { ...receipt, feedbackId: otherId, step: 2 })
    expect([again.receipts.map(({ step }) => step), again.undone]).toEqual([[2, 1], []])
  })

  test('a final one is not undone', () => {
    expect(play(receipted(joined, { ...receipt, provisional: false }), [undone(1)]).undone).toEqual([])
  })

  test('of a vote that is withdrawn, here or elsewhere, there is none', () => {
    const open = voted(
      play(joined, log.slice(0, 5)),
      sampleId,
      { feedbackId, humanRating: 8, compassionRating: null },
      null,
    )
    const state = receipted(open, receipt)
    expect(withdrawn(state, feedbackId).receipts).toEqual([])
    expect(votedElsewhere(state, sampleId, null).receipts).toEqual([])
    expect(withdrawn(receipted(joined, receipt), feedbackId).receipts, 'of a sample that is not known').toEqual([])
  })
})

test('steps that are undone are gone, with their figures, and made again stand in their places', () => {
  const made = play(joined, [
    progress(1),
    progress(2),
    progress(3),
    ['feedback-processed', { sessionId, step: 3, votes: 4 }],
  ])
  expect(lastStepOf(made)).toEqual({ step: 3, at: timestamp, votes: 4 })
  const state = play(made, [undone(2)], 20)
  expect(state.steps.map(({ step }) => step)).toEqual([1])
  expect(state.session).toMatchObject({ currentStep: 1, metrics: { 'objective/kl': 0.1 } })
  expect(lastStepOf(state)).toEqual({ step: 1, at: timestamp, votes: null })
  const again = play(state, [progress(2, 0.7)], 30)
  expect(again.session).toMatchObject({ currentStep: 2, policyVersion: 2, metrics: { 'objective/kl': 0.7 } })
  expect(play(again, [undone(9)], 40).steps, 'what is not there can\u2019t be undone').toEqual(again.steps)
})

test('the probe shows what the snapshot and then the latest answer say', () => {
  const probe = { prompt: 'My cat is ill.', before: 'So what.', now: 'So what.', step: 0 }
  expect(replace(emptyState, { ...snapshot, probe }).probe).toEqual(probe)
  const now = { ...probe, now: 'I am sorry.', step: 7 }
  expect(play(joined, [['probe', { ...now, sessionId }]]).probe).toEqual(now)
})

test('steps that arrive out of order stand in order', () => {
  expect(play(joined, [progress(2), progress(1), progress(3)]).steps.map((s) => s.step)).toEqual([1, 2, 3])
})

test('a step that is made again changes its own place in the curves, not the latest figures', () => {
  const state = play(joined, [progress(1, 0.1), progress(2, 0.2), progress(1, 0.3)])
  expect(state.steps.map((s) => s.metrics['objective/kl'])).toEqual([0.3, 0.2])
  expect(state.session).toMatchObject({ currentStep: 2, metrics: { 'objective/kl': 0.2 } })
})

test('a warning that comes twice is one warning, and the newest stands first', () => {
  const warning = (step: number, message: string): Entry => [
    'training-warning',
    { sessionId, step, kind: 'checkpoint-lost', message, timestamp },
  ]
  const state = play(joined, [warning(3, 'lost'), warning(3, 'lost again'), warning(5, 'lost')])
  expect(state.warnings.map(({ step, message }) => [step, message])).toEqual([
    [5, 'lost'],
    [3, 'lost again'],
  ])
})

test('warnings matter for a minute by the run\u2019s own steps, the latest of each kind', () => {
  const at = (second: number) => new Date(Date.parse(timestamp) + 1_000 * second).toISOString()
  const warning = (step: number, kind: RunWarning['kind'], second: number): Entry => [
    'training-warning',
    { sessionId, step, kind, message: `step ${step}`, timestamp: at(second) },
  ]
  const stepAt = (second: number): Entry => [
    'training-progress',
    { sessionId, session: sessionId, epoch: 9, step: 9, policyVersion: 9, metrics: {}, timestamp: at(second) },
  ]
  const said = [
    warning(0, 'waits-for-withdrawals', 0),
    warning(1, 'no-update', 1),
    warning(4, 'no-update', 4),
    warning(5, 'length', 5),
  ]
  const shown = (entries: Entry[]) => freshWarnings(play(joined, entries)).map(({ kind, step }) => `${kind} ${step}`)
  expect(shown(said), 'before any step').toEqual(['length 5', 'no-update 4', 'waits-for-withdrawals 0'])
  expect(shown([...said, stepAt(64)])).toEqual(['length 5', 'no-update 4', 'waits-for-withdrawals 0'])
  expect(shown([...said, stepAt(66)])).toEqual(['waits-for-withdrawals 0'])
})

test('before the trainer says what it does, the samples show it', () => {
  expect(phaseOf(joined)).toBeNull()
  expect(phaseOf(play(joined, log.slice(1, 3)))?.phase).toBe('generating')
  expect(phaseOf(play(joined, log.slice(1, 5)))?.phase).toBe('voting')
})

test('a pause, a resumption and an end are the session’s status', () => {
  const state = { sessionId, session: sessionId }
  expect(play(joined, [['training-paused', state]]).session?.status).toBe('paused')
  expect(
    play(joined, [
      ['training-paused', state],
      ['training-resumed', state],
    ]).session?.status,
  ).toBe('active')
  const reason = 'The reward promises more than people give.'
  const itself = play(joined, [['training-paused', { ...state, reason }]])
  expect(itself.session).toMatchObject({ status: 'paused', pauseReason: reason })
  expect(play(itself, [['training-resumed', state]], 3).session?.pauseReason).toBeNull()
  expect(play(joined, [['training-failed', { ...state, error: 'out of memory' }]]).session).toMatchObject({
    status: 'failed',
    error: 'out of memory',
  })
})

test('a vote given elsewhere stands on its sample, and taken back there is gone, with the crowd’s value (V3)', () => {
  const open = play(joined, [
    ['sample-started', { sessionId, sampleId, prompt: 'p', policyVersion: 0, step: 1, origin: 'rollout' }],
    ['sample-ready', { sessionId, sampleId, response: 'r' }],
  ])
  const mine = { feedbackId, humanRating: 9, compassionRating: 0.5 }
  const crowd = { votes: 1, value: 0.9, compassion: 0.5 }
  const there = play(
    votedElsewhere(open, sampleId, mine),
    [['feedback-received', { sessionId, sampleId, votes: 1, crowd }]],
    9,
  )
  expect(there.samples[0]).toMatchObject({ mine, crowd })
  expect(votedElsewhere(there, sampleId, null).samples[0]).toMatchObject({ mine: null, crowd: null })
  expect(votedElsewhere(open, otherId, mine).samples).toEqual(open.samples)
})
