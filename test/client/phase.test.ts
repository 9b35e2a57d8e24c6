import { describe, expect, test } from 'vitest'
import { activityOf, wordsOf } from '../../client/src/room/phase.ts'
import type { Phase } from '../../client/src/room/state.ts'

const phase = (name: Phase['phase'], position?: number): Phase => ({
  phase: name,
  step: 7,
  until: null,
  ...(position !== undefined && { position }),
})
const say = (name: Phase['phase'], position?: number) =>
  wordsOf(activityOf({ status: 'active', phase: phase(name, position), waits: false }), {
    error: null,
    pauseReason: null,
    position,
  })

describe('the status line', () => {
  test('voting and learning, which take turns each second, read the same', () => {
    expect(say('voting')).toBe('Learning as you vote')
    expect(say('learning')).toBe(say('voting'))
  })

  test.each<[Phase['phase'], string]>([
    ['generating', 'The model is writing its first answers'],
    ['settling', 'Learning as you vote: from each vote ten seconds later'],
    ['restoring', 'Making steps again, without a vote that was withdrawn'],
    ['waiting-for-votes', 'Waiting for votes: the model learns as soon as somebody votes'],
  ])('%s', (name, words) => expect(say(name)).toBe(words))

  test('where votes wait until they can’t be withdrawn, it reads the same between steps as in them', () => {
    const activities = (['voting', 'settling', 'learning'] as const).map((name) =>
      activityOf({ status: 'active', phase: phase(name), waits: true }),
    )
    expect(new Set(activities)).toEqual(new Set(['settling']))
  })

  test('of a run that waits for a trainer it says the place in the line', () => {
    expect(say('queued', 2)).toContain('Queued, 2nd in line')
    expect(say('queued')).toMatch(/^Queued: /)
  })

  test('what stands still is not what it was doing: the status counts, with its reason', () => {
    const paused = activityOf({ status: 'paused', phase: phase('learning'), waits: false })
    const words = (error: string | null, pauseReason: string | null) =>
      wordsOf(paused, { error, pauseReason, position: undefined })
    expect(words(null, null)).toContain('Paused by the researcher')
    expect(words(null, 'Too long.')).toBe('The run paused automatically. Too long.')
    const failed = activityOf({ status: 'failed', phase: null, waits: false })
    expect(wordsOf(failed, { error: 'out of memory', pauseReason: null, position: undefined })).toBe(
      'The run was stopped by an error: out of memory',
    )
  })
})
