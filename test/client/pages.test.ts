import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  NoCredit,
  TrainingConfig,
  type HumanFeedback,
  type ProofOfContribute,
  type Receipt,
  type Appeal,
  type Decision,
  type Evaluation,
} from '../../core/protocol/index.ts'
import { fateOf } from '../../client/src/ledger/appeal.ts'
import { pageOf } from '../../client/src/ledger/address.ts'
import { earnedText, joined, totals, type Contribution } from '../../client/src/ledger/contributions.ts'
import { differences, sameAnswers } from '../../client/src/console/runs/compare.ts'
import { evaluationCurves, verdictOf } from '../../client/src/console/charts/evaluation-curves.ts'
import { deedOf } from '../../client/src/console/people/audience.ts'
import { overridesOf } from '../../client/src/console/runs/history.ts'
import { curvesOf, rangeOf } from '../../client/src/console/charts/curves.ts'
import { duration, excerpt, stepText } from '../../client/src/ui/format.ts'
import { promptLines } from '../../client/src/console/models/prompts.ts'
import { check, defaults, groups, textOf } from '../../client/src/console/runs/settings.ts'

test('addresses', () => {
  expect(pageOf('/')).toEqual({ name: 'sessions' })
  expect(pageOf('/session/demo')).toEqual({ name: 'session', id: 'demo' })
  expect(pageOf('/console')).toEqual({ name: 'console', id: null })
  expect(pageOf('/console/demo/')).toEqual({ name: 'console', id: 'demo' })
  expect(pageOf('/session')).toEqual({ name: 'missing' })
  expect(pageOf('/join')).toEqual({ name: 'join' })
  // An invitation is after the #, never in the path, which is logged.
  expect(pageOf('/join/token')).toEqual({ name: 'missing' })
  expect(pageOf('/compare')).toEqual({ name: 'compare', a: null, b: null })
  expect(pageOf('/compare/one/other')).toEqual({ name: 'compare', a: 'one', b: 'other' })
  expect(pageOf('/compare/one/other/third')).toEqual({ name: 'missing' })
  expect(pageOf('/contributions/more')).toEqual({ name: 'missing' })
})

test('prompts are typed one a line, or come as the lines of a file', () => {
  expect(promptLines('I am sad.\r\n\n  How "are" you? \n')).toBe(
    '{"prompt":"I am sad."}\n{"prompt":"How \\"are\\" you?"}',
  )
  expect(promptLines('\n{"prompt": "Hi", "answer": "Hello"}\nno JSON\n')).toBe(
    '{"prompt": "Hi", "answer": "Hello"}\nno JSON',
  )
})

describe('curves', () => {
  const step = (n: number, metrics: Record<string, number>) => ({
    step: n,
    metrics,
    timestamp: '2026-01-01T00:00:00.000Z',
  })

  test('a missing metric is a gap, and the reward goes by either of its names', () => {
    const curves = curvesOf([step(1, { rewardScore: 0.4 }), step(2, { 'objective/scores': 0.5, compassionScore: 0.6 })])
    const valuesOf = (title: string) =>
      curves.find((curve) => curve.title === title)?.series.map(({ values }) => values)
    expect(valuesOf('Reward')).toEqual([[0.4, 0.5]])
    expect(valuesOf('Compassion')).toEqual([[null, 0.6]])
    expect(curves[0]?.steps).toEqual([1, 2])
  })

  test('the reward stands beside people’s votes in one chart, with the steps in which they could be compared', () => {
    const curves = curvesOf([
      step(1, { rewardScore: 0.4 }),
      step(2, { rewardScore: 0.5, 'gap/reward': 0.7, 'gap/people': 0.4 }),
    ])
    const gap = curves.find((curve) => curve.title === 'Reward and people')
    expect(gap?.series.map(({ label, values }) => [label, values])).toEqual([
      ['reward', [null, 0.7]],
      ['people', [null, 0.4]],
    ])
  })

  test('an axis holds its values, spans enough, and starts at 0 where it would go below for nothing', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -5, max: 5, noNaN: true }),
        fc.double({ min: 0, max: 5, noNaN: true }),
        (low, more) => {
          const [from, to] = rangeOf(low, low + more, 0.2)
          return from <= low && to >= low + more && to - from >= 0.2 && (low < 0 || from >= 0)
        },
      ),
    )
  })
})

describe('evaluations', () => {
  const evaluation = (step: number, more: Partial<Evaluation> = {}): Evaluation => ({
    sessionId: 'demo',
    step,
    policyVersion: step,
    metrics: {
      'eval/compassion': 0.5,
      'eval/win_rate': 0.625,
      'eval/win_rate_low': 0.4,
      'eval/win_rate_high': 0.8,
      'eval/prompts': 32,
    },
    heads: {},
    against: null,
    regressed: false,
    shows: step,
    setAside: false,
    timestamp: '2026-01-01T00:00:00.000Z',
    ...more,
  })
  const steps = [1, 2, 3].map((step) => ({
    step,
    metrics: { compassionScore: step / 10 },
    timestamp: '2026-01-01T00:00:00.000Z',
  }))

  test('stand beside the run’s own curves, over the steps of both', () => {
    const curves = evaluationCurves([evaluation(0), evaluation(2)], steps)
    const compassion = curves.find(({ title }) => title === 'Compassion, held out')
    expect(compassion?.steps).toEqual([0, 1, 2, 3])
    expect(compassion?.series.map(({ label, values }) => [label, values])).toEqual([
      ['held out', [0.5, null, 0.5, null]],
      ['training', [null, 0.1, 0.2, 0.3]],
    ])
    expect(evaluationCurves([evaluation(0)], steps, true)).toHaveLength(3)
  })

  test('are put into a sentence, with what is held back', () => {
    expect(verdictOf(evaluation(20))).toBe(
      'Evaluated after step 20. Its answers win 63 % of 32 prompts against the untrained model’s (40 % to 80 %).',
    )
    const worse = { metrics: {}, regressed: true, against: { step: 20, difference: -0.08, error: 0.02 }, shows: 20 }
    expect(verdictOf(evaluation(40, worse))).toBe(
      'Evaluated after step 40. It is worse than step 20: -0.080 ± 0.020 in value. The weights of step 20 answer until an evaluation is good again.',
    )
  })

  test('compare the answers to the same prompts, and the settings that differ', () => {
    const answer = (prompt: string, answer: string) => ({ prompt, answer, value: 0.5, reference: null })
    expect(sameAnswers([answer('Hi', 'a'), answer('Yo', 'b')], [answer('Yo', 'c'), answer('Ho', 'd')])).toEqual([
      { prompt: 'Yo', a: answer('Yo', 'b'), b: answer('Yo', 'c') },
    ])
    const plain = TrainingConfig.parse({})
    const other = TrainingConfig.parse({ learningRate: 0.01, live: { klCoefficient: 0.2, tags: ['kind'] } })
    const tags = '["kind","useful","clear","cold","vague","off topic"]'
    expect(differences([plain, plain])).toEqual([])
    expect(differences([plain, other])).toEqual([
      { path: 'learningRate', label: 'Learning rate', values: ['0.0001', '0.01'] },
      { path: 'live.tags', label: 'Quick tags', values: [tags, '["kind"]'] },
      { path: 'live.klCoefficient', label: 'KL coefficient β', values: ['–', '0.2'] },
    ])
    // What no field of the form shows is called by its path.
    const third = TrainingConfig.parse({ rewardModel: { tastes: 'proportional' } })
    const path = 'rewardModel.tastes'
    expect(differences([plain, plain, third])).toEqual([
      { path, label: path, values: ['majority', 'majority', 'proportional'] },
    ])
  })

  test('a branch’s form changes what was filled in, and nothing else', () => {
    expect(overridesOf({ learningRate: '', epochs: ' ' })).toEqual({})
    expect(overridesOf({ learningRate: '1e-3', epochs: '500' })).toEqual({ learningRate: 0.001, epochs: 500 })
  })
})

describe('contributions', () => {
  const id = '9b2d5b0c-53d1-4d0e-8f3a-6a1f0f6f2c11'
  const contribution = {
    recordId: id,
    feedbackId: id,
    contributionType: 'feedback',
    sessionId: 'demo',
    timestamp: '2026-01-01T00:00:00.000Z',
    rewardTokens: 12,
    noCredit: null,
    held: false,
    merkleProof: null,
  } as ProofOfContribute
  const receipt = { feedbackId: id, latencyMs: 14_000, comparable: 9 } as Receipt

  const vote = { id, withdrawn: false } as HumanFeedback
  const appeal = {
    feedbackId: id,
    state: 'upheld',
    decision: { reason: 'It was late by our fault.' },
    correction: { epochId: 4, credit: 50 },
  } as Appeal

  test('a vote, its receipt, its appeal and its record are one line; what the appeal added is another', () => {
    const correction = { ...contribution, recordId: '4be0643f-1d98-473b-97cd-ca98a65347dd', rewardTokens: 50 }
    const lines = joined([contribution, correction], [receipt], [vote], [appeal])
    expect(lines).toMatchObject([
      { id, vote, receipt: { latencyMs: 14_000 }, appeal: { state: 'upheld' }, credit: 12, proof: null },
      { id: correction.recordId, vote: null, receipt: null, appeal: null, credit: 50 },
    ])
    expect(totals(lines)).toMatchObject({ votes: 1, credit: 62 })
  })

  test('a withdrawn vote is no contribution', () => {
    expect(joined([contribution], [], [{ ...vote, withdrawn: true }], [])).toEqual([])
  })

  test('totals', () => {
    expect(totals(joined([contribution], [receipt], [vote], []))).toEqual({
      votes: 1,
      used: 1,
      onChain: 0,
      credit: 12,
      held: 0,
      latencyMs: 14_000,
    })
    expect(totals(joined([{ ...contribution, held: true }], [receipt], [vote], []))).toMatchObject({
      credit: 0,
      held: 12,
    })
    expect(totals([]).latencyMs).toBeNull()
  })

  test('a vote says what it earned, and each nothing has its reason', () => {
    const proof = { epochId: 4 } as Contribution['proof']
    expect(earnedText({ proof, credit: 100, noCredit: null, held: false })).toBe('100 credit points.')
    expect(earnedText({ proof, credit: 100, noCredit: null, held: true })).toContain(
      'on hold until ten of your votes in this session could be compared',
    )
    expect(earnedText({ proof: null, credit: 0, noCredit: null, held: false })).toBeNull()
    const said = NoCredit.options.map((noCredit) => earnedText({ proof: null, credit: 0, noCredit, held: false }))
    expect(said.every((text) => text?.startsWith('It earns nothing: '))).toBe(true)
    expect(new Set(said).size).toBe(NoCredit.options.length)
  })

  test('an appeal says what has become of it', () => {
    expect(fateOf(appeal)).toBe(
      'Your appeal was upheld: It was late by our fault. Corrected in epoch 4: 50 credit points more.',
    )
    expect(fateOf({ ...appeal, correction: null })).toContain('One of the next epochs corrects it.')
    expect(fateOf({ ...appeal, state: 'dismissed' })).toBe('Your appeal was dismissed: It was late by our fault.')
    expect(fateOf({ ...appeal, state: 'open', decision: null })).toContain('A validator will look at it.')
  })
})

describe('the settings of a run', () => {
  test('the form’s defaults are the schema’s, and start the run that the schema would', () => {
    const checked = check('demo', '', defaults())
    expect(checked).toMatchObject({ ok: true, configuration: TrainingConfig.parse({}) })
  })

  test('the KL coefficient may be left to follow from the target, and one that is given wins', () => {
    const given = (text: string) => check('demo', '', { ...defaults(), 'live.klCoefficient': text })
    const coefficient = (text: string) => {
      const checked = given(text)
      return checked.ok ? checked.configuration.live?.klCoefficient : checked.errors
    }
    expect(defaults()['live.klCoefficient']).toBe('')
    expect([coefficient(''), coefficient('0.2')]).toEqual([undefined, 0.2])
    expect(coefficient('much')).toHaveProperty(['live.klCoefficient'])
  })

  test('what a choice offers is what the schema takes', () => {
    for (const { path, kind, options = [] } of groups.flatMap((group) => group.settings)) {
      if (kind !== 'choice') continue
      expect(options.length, path.join('.')).toBeGreaterThan(1)
      for (const [value] of options)
        expect(check('demo', '', { ...defaults(), [path.join('.')]: value }), value).toMatchObject({
          ok: true,
          configuration: path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as object,
        })
    }
  })

  test('every setting is one of the configuration’s and explains itself', () => {
    const configuration = TrainingConfig.parse({})
    for (const setting of groups.flatMap((group) => group.settings)) {
      expect(textOf(configuration, setting), setting.path.join('.')).not.toBe('undefined')
      expect(setting.explain.length).toBeGreaterThan(10)
    }
  })

  test('what can’t be used is said at its own field', () => {
    const checked = check('demo', '', { ...defaults(), 'live.votingWindowSeconds': 'soon', learningRate: '-1' })
    expect(checked.ok ? [] : Object.keys(checked.errors).sort()).toEqual(['learningRate', 'live.votingWindowSeconds'])
  })
})

test('what was decided reads as a sentence', () => {
  const decision = (more: Partial<Decision>): Decision => ({
    ...{ id: 1, what: 'exclude', by: 'Ann', whom: null, invite: null, audience: null, people: null, reason: null },
    ...{ sessionId: 'demo', timestamp: '2026-01-01T00:00:00.000Z' },
    ...more,
  })
  const whom = { userId: '00000000-0000-4000-8000-000000000000', username: 'Ben' }
  const invite = { id: '00000000-0000-4000-8000-000000000001', label: 'Class 7b' }
  expect(deedOf(decision({ whom }))).toBe('excluded Ben')
  expect(deedOf(decision({ what: 'readmit', whom }))).toBe('readmitted Ben')
  expect(deedOf(decision({ what: 'audience', audience: 'invited' }))).toBe(
    'set whom the session is for: those who were invited',
  )
  expect(deedOf(decision({ what: 'invite', invite }))).toBe('made the link “Class 7b”')
  expect(deedOf(decision({ what: 'revoke', invite }))).toBe('revoked the link “Class 7b”')
  expect(deedOf(decision({ what: 'exclude-invited', invite, people: 1 }))).toBe(
    'excluded all who had come by “Class 7b”: 1 person',
  )
})

test('words for times', () => {
  expect([850, 4_200, 14_400, 240_000].map(duration)).toEqual(['850 ms', '4.2 s', '14 s', '4 min'])
  expect(excerpt('a  long\nline of words', 10)).toBe('a long li…')
  expect(stepText({ currentStep: 1_234, totalSteps: 5_000 })).toBe('step 1,234 of 5,000')
  expect(stepText({ currentStep: 1_234, totalSteps: 1_000_000 }), 'of a run without an end').toBe('step 1,234')
})
