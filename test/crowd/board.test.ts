import { describe, expect, test } from 'vitest'
import { openBoard } from '../../scripts/crowd/board.ts'
import { distribution, standardError } from '../../core/statistics.ts'

const sampleId = '5f7c7a52-0d0c-4f0e-8f63-4a4f5f2f9a11'
const sessionId = 'demo'

describe('what a simulated rater knows of a session', () => {
  const started = { sessionId, sampleId, prompt: 'I am sad.', policyVersion: 0, step: 3, origin: 'rollout' } as const

  test('an answer is open from "ready" until "voting closed", however often an event comes (rule P3)', () => {
    const board = openBoard()
    board.started(started)
    expect(board.open()).toEqual([])
    board.ready({ sessionId, sampleId, response: 'I am with you.' })
    board.started(started)
    board.ready({ sessionId, sampleId, response: 'I am with you.' })
    expect(board.open().map((sample) => sample.response)).toEqual(['I am with you.'])
    board.counted({ sessionId, sampleId, votes: 2 })
    expect(board.open()[0]!.votes).toBe(2)
    board.closed({ sessionId, sampleId, crowd: { value: 0.5, compassion: 0.5, votes: 3 } })
    board.ready({ sessionId, sampleId, response: 'I am with you.' })
    expect(board.open()).toEqual([])
    expect(board.samples.get(sampleId)?.votes).toBe(3)
  })
})

describe('a distribution', () => {
  test('of 1…100 has its median at 50 and its tail at 95 and 99', () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i)
    expect(distribution(values)).toEqual({ count: 100, mean: 50.5, p50: 50, p95: 95, p99: 99, max: 100 })
    expect(distribution([])).toBeNull()
  })

  test('of the values 1, 2, 3 has the standard error 1/√3', () => {
    expect(standardError([1, 2, 3])).toBeCloseTo(1 / Math.sqrt(3))
  })
})
