import { describe, expect, it } from 'vitest'
import type { SettledVote } from '../../core/db/feedback.ts'
import { VOTES_KEPT } from '../../trainer/reward/fixed.ts'
import { KEPT_VOTES, openVoteLog, type VoteLog } from '../../trainer/loop/vote-log.ts'

const vote = (id: string, more: Partial<SettledVote> = {}): SettledVote => ({
  ...{ id, sampleId: `answer of ${id}`, origin: 'rollout', raterId: 'ann', ownQuestion: false, late: false },
  ...{ prompt: 'p', response: 'r', rating: 7, categories: [], compassion: null, source: null, usedIn: null },
  ...{ at: 0, seq: Number(/\d+/.exec(id)?.[0] ?? 0) },
  ...more,
})
const quiet = { cast: [], withdrawn: [], excluded: [], settledUntil: 0 }
const ids = (votes: readonly SettledVote[]): string[] => votes.map(({ id }) => id)
const hear = (log: VoteLog, news: Partial<Parameters<VoteLog['hear']>[0]>) => log.hear({ ...quiet, ...news })

describe('what a run knows of its votes', () => {
  it('a vote waits until a step uses it, in the order of storing, however often it is told', () => {
    const log = openVoteLog()
    hear(log, { cast: [vote('v2', { at: 5 }), vote('v1', { at: 5 })] })
    hear(log, { cast: [vote('v1', { at: 5 })] })
    expect(ids(log.waiting('everybody'))).toEqual(['v1', 'v2'])
    expect(log.waiting('nobody')).toEqual([])
    expect(log.settlesIn()).toBe(5)
    log.use(['v1'], 1)
    expect(ids(log.waiting('everybody'))).toEqual(['v2'])
    expect(ids(log.learntBy(1, []))).toEqual(['v1'])
    expect(log.settled(1)).toBe(false)
    hear(log, { settledUntil: 5 })
    expect(log.settled(1)).toBe(true)
    expect(ids(log.waiting('nobody'))).toEqual(['v2'])
  })

  it('names the first step that used a vote which is gone, once; its other votes wait again when it is undone', () => {
    const log = openVoteLog()
    hear(log, { cast: [vote('v1'), vote('v2'), vote('v3', { raterId: 'ben' })] })
    log.use(['v1'], 1)
    log.use(['v2', 'v3'], 2)
    expect(hear(log, { withdrawn: ['v3', 'v1'] })).toBe(1)
    expect(hear(log, { withdrawn: ['v3', 'v1'] })).toBeNull()
    log.release(1)
    expect(ids(log.waiting('everybody'))).toEqual(['v2'])
    expect([log.stands('v1'), log.stands('v2')]).toEqual([false, true])
    // Told late by somebody who had not heard of the withdrawal, it stays gone.
    hear(log, { cast: [vote('v1')] })
    expect(ids(log.waiting('everybody'))).toEqual(['v2'])
  })

  it('whoever withdraws often is used only once they can withdraw no more; in need, so are newcomers', () => {
    const log = openVoteLog()
    const early = { at: 10 }
    hear(log, {
      cast: [
        vote('v1', { ...early, raterId: 'often' }),
        vote('v2', { ...early, raterId: 'often' }),
        vote('v0', { ...early, raterId: 'often' }),
        vote('v3', { ...early, raterId: 'once' }),
      ],
    })
    hear(log, { withdrawn: ['v0', 'v1', 'v2', 'v3'] })
    hear(log, {
      cast: [
        vote('v4', { ...early, raterId: 'often' }),
        vote('v5', { ...early, raterId: 'once' }),
        vote('v6', { raterId: 'known', at: -1 }),
        vote('v7', { ...early, raterId: 'known' }),
      ],
    })
    expect(ids(log.waiting('everybody'))).toEqual(['v5', 'v6', 'v7'])
    expect(ids(log.waiting('acquaintances'))).toEqual(['v6', 'v7'])
    hear(log, { settledUntil: 10 })
    expect(ids(log.waiting('nobody'))).toEqual(['v4', 'v5', 'v6', 'v7'])
  })

  it('an excluded rater’s votes neither wait nor teach, and do again when they are readmitted', () => {
    const log = openVoteLog([vote('v1', { usedIn: 1, raterId: 'out' })])
    hear(log, { cast: [vote('v2', { raterId: 'out' })], excluded: ['out'] })
    expect(log.waiting('everybody')).toEqual([])
    expect(log.learntBy(1, log.excluded)).toEqual([])
    hear(log, {})
    expect(ids(log.waiting('everybody'))).toEqual(['v2'])
    expect(ids(log.learntBy(1, log.excluded))).toEqual(['v1'])
  })

  it('a step learns from the latest votes alone, and no more are kept than that takes', () => {
    const all = Array.from({ length: KEPT_VOTES + 50 }, (_, i) => vote(`v${i + 1}`, { usedIn: 1, at: -1 }))
    const log = openVoteLog(all)
    hear(log, {})
    const learnt = ids(log.learntBy(1, []))
    expect(learnt).toHaveLength(VOTES_KEPT)
    expect(learnt.at(-1)).toBe(`v${all.length}`)
    expect([log.stands('v50'), log.stands('v51')]).toEqual([false, true])
  })
})
