import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Receipt } from '../../core/protocol/index.ts'
import { effectOf, sentenceOf, standingOf, trustOf } from '../../client/src/room/receipt.ts'

const receipt: Receipt = {
  feedbackId: '9b2d5b0c-53d1-4d0e-8f3a-6a1f0f6f2c11',
  sessionId: 'demo',
  sampleId: '4be0643f-1d98-573b-97cd-ca98a65347dd',
  step: 1_234,
  weight: 0.31,
  reliability: 0.6,
  crowd: 0.7,
  advantage: 0.4,
  latencyMs: 1_420,
  comparable: 9,
  updated: true,
  provisional: false,
  logprob: { before: -41.24, after: -41.163 },
}
const used = 'Step 1,234 used your vote with weight 0.31, 1.4 s after you sent it.'
const moved = (by: number): Pick<Receipt, 'logprob'> => ({ logprob: { before: -41.24, after: -41.24 + by } })

describe('a receipt’s words', () => {
  test.each<[string, Partial<Receipt>, number | null, string, string]>([
    ['likelier', {}, 9, '↑', `${used} This answer became 1.08 times as likely (log-probability −41.24 → −41.16 nats).`],
    [
      'much likelier',
      moved(3),
      9,
      '↑',
      `${used} This answer became 20 times as likely (log-probability −41.24 → −38.24 nats).`,
    ],
    [
      'likelier beyond words',
      moved(20),
      9,
      '↑',
      `${used} This answer became more than 1,000 times as likely (log-probability −41.24 → −21.24 nats).`,
    ],
    [
      'hardly likelier',
      moved(0.0008),
      9,
      '↑',
      `${used} This answer became 1.0008 times as likely (log-probability −41.2400 → −41.2392 nats).`,
    ],
    [
      'rarer, as meant',
      { ...moved(-0.07), advantage: -0.5 },
      2,
      '↓',
      `${used} This answer became less likely, 0.93 times as likely as before (log-probability −41.24 → −41.31 nats).`,
    ],
    [
      'rarer, against a high rating, by what others gave',
      { ...moved(-0.07), advantage: -0.5 },
      9,
      '↓',
      `${used} This answer became less likely, 0.93 times as likely as before (log-probability −41.24 → −41.31 nats). You gave it 9, but by all votes and the model’s other answers it came out worse than expected.`,
    ],
    [
      'rarer, against a high rating and the update’s own aim',
      moved(-0.07),
      9,
      '↓',
      `${used} This answer became less likely, 0.93 times as likely as before (log-probability −41.24 → −41.31 nats). You gave it 9, and the update meant to make it likelier: what the model learnt from other answers, or the pull back to the reference, weighed more.`,
    ],
    [
      'likelier, against a low rating',
      {},
      1,
      '↑',
      `${used} This answer became 1.08 times as likely (log-probability −41.24 → −41.16 nats). You gave it 1, but by all votes and the model’s other answers it came out better than expected.`,
    ],
    [
      'moved by less than can be told',
      moved(-0.0002),
      9,
      '=',
      `${used} How likely this answer is changed by less than can be told (log-probability −41.2400 → −41.2402 nats).`,
    ],
    [
      'not moved at all',
      moved(0),
      9,
      '=',
      `${used} This answer stayed as likely as it was (log-probability −41.24 → −41.24 nats).`,
    ],
    [
      'in an update that changed nothing',
      { updated: false, ...moved(0) },
      9,
      '=',
      'Step 1,234 read your vote and changed nothing: its update left the model as it was.',
    ],
    [
      'not part of the update: a text, or an answer to a question',
      { weight: 0, crowd: null, advantage: null, logprob: null },
      9,
      '•',
      'Step 1,234 learnt from your vote, 1.4 s after you sent it: it taught the reward model only, as the answer was not part of the update.',
    ],
    [
      'without weight',
      { weight: 0 },
      9,
      '↑',
      'Step 1,234 read your vote, 1.4 s after you sent it, and gave it no weight. This answer became 1.08 times as likely (log-probability −41.24 → −41.16 nats).',
    ],
    [
      'of a time that measured no probabilities',
      { logprob: null },
      9,
      '•',
      `${used} How likely it made the answer was not measured at the time.`,
    ],
  ])('%s', (_, over, given, sign, words) => {
    const one = { ...receipt, ...over }
    expect(effectOf(one).sign).toBe(sign)
    expect(sentenceOf(one, given)).toBe(words)
  })

  test('a newcomer is told what their votes weigh, and how they come to weigh more', () => {
    expect([0, 1, 7].map((comparable) => trustOf({ comparable, reliability: 0.6 }).split(' could')[0])).toEqual([
      'None of your votes',
      'One of your votes',
      '7 of your votes',
    ])
  })

  test('whoever is known is told their reliability, and what raises it', () => {
    expect(trustOf({ comparable: 1_234, reliability: 0.714 })).toBe(
      '1,234 of your votes could be compared with others’, and they weigh by how well they go with those of people who share your taste: reliability 0.71 of 1. Reading to the end and rating like answers alike raises it; how strict you are makes no difference.',
    )
    expect(trustOf({ comparable: 8, reliability: 0.1 })).toContain(
      'so they weigh next to nothing: reliability 0.10 of 1.',
    )
  })

  test.each([
    [true, false, 'active', 'counted; final in a few seconds'],
    [true, true, 'active', 'void: a vote was withdrawn, and the step is made again'],
    [true, false, 'paused', 'counted; final once the run goes on'],
    [true, false, 'completed', 'not counted: the run ended before this was final'],
    [true, true, 'failed', 'not counted: the run ended before this was final'],
    [false, false, 'active', 'final'],
    [false, false, 'completed', 'final'],
  ] as const)('provisional %s, undone %s, in a run that is %s: %s', (provisional, undone, status, words) =>
    expect(standingOf({ provisional }, { undone, status })).toBe(words),
  )

  test('a final receipt reads as the provisional one did', () => {
    expect(sentenceOf({ ...receipt, provisional: true }, 9)).toBe(sentenceOf(receipt, 9))
  })

  test('none says “likely” of an update that changed nothing, or “became” of an answer that stayed', () => {
    const nats = fc.double({ min: -400, max: 0, noNaN: true })
    fc.assert(
      fc.property(nats, nats, fc.boolean(), fc.integer({ min: 1, max: 10 }), (before, after, updated, given) => {
        const one = { ...receipt, updated, logprob: { before, after } }
        const words = sentenceOf(one, given)
        expect(words).not.toMatch(/NaN|Infinity|-\d/)
        if (!updated) expect(words).not.toContain('likel')
        expect(words.includes('became less likely')).toBe(effectOf(one).direction === 'down')
        expect(/became (more than )?[\d.,]+ times/.test(words)).toBe(effectOf(one).direction === 'up')
      }),
    )
  })
})
