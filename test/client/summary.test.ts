import { describe, expect, test } from 'vitest'
import type { Receipt } from '../../core/protocol/index.ts'
import type { SentVote } from '../../client/src/room/sent.ts'
import { emptyState, type SessionState } from '../../client/src/room/state.ts'
import { summaryOf } from '../../client/src/room/summary.ts'

const sent = (id: string, state: 'stored' | 'withdrawn' = 'stored'): SentVote =>
  state === 'stored'
    ? { id, sampleId: `s${id}`, rating: 7, state, storedAt: 0, value: 0.7, late: false }
    : { id, sampleId: `s${id}`, rating: 7, state }
const receipt = (feedbackId: string, step: number, moved: number, updated = true) =>
  ({ feedbackId, step, updated, logprob: { before: -10, after: -10 + moved } }) as Receipt
const probe = { prompt: 'My cat is ill.', before: 'So what.', now: 'I am sorry.', step: 3 }
const state = (over: Partial<SessionState>): SessionState => ({
  ...emptyState,
  session: { id: 'demo', title: 'The demo' } as SessionState['session'],
  ...over,
})

describe('what a visit came to', () => {
  test('is told of standing votes alone: how many changed the model, in how many steps, and which way', () => {
    const receipts = [receipt('a', 1, 0.2), receipt('b', 1, -0.1), receipt('c', 2, 0), receipt('other', 9, 1)]
    const votes = [sent('a'), sent('b'), sent('c'), sent('d'), sent('e', 'withdrawn')]
    expect(summaryOf(state({ receipts, probe }), votes)).toEqual({
      sessionId: 'demo',
      title: 'The demo',
      said: [
        'You gave 4 votes.',
        '3 of them changed the model, in 2 steps.',
        'Of the answers that you judged, 1 became likelier and 1 less likely.',
        '1 vote will still be used; My votes has the receipts.',
      ],
      example: probe,
    })
  })

  test('does not count a step that was undone, nor one that changed nothing, nor an example that is the same', () => {
    const receipts = [receipt('a', 1, 0.2), receipt('b', 2, 0.2, false)]
    const same = { ...probe, now: probe.before }
    expect(summaryOf(state({ receipts, undone: ['a'], probe: same }), [sent('a'), sent('b')])).toMatchObject({
      said: [
        'You gave 2 votes.',
        'No step has changed the model with them yet.',
        '1 vote will still be used; My votes has the receipts.',
      ],
      example: null,
    })
  })

  test('is nothing for whoever has not voted', () => {
    expect(summaryOf(state({}), [])).toBeNull()
    expect(summaryOf(state({}), [sent('a', 'withdrawn')])).toBeNull()
  })
})
