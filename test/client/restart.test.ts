import { describe, expect, test } from 'vitest'
import { TrainingConfig, type TrainingConfigInput } from '../../core/protocol/index.ts'
import { carriedOver } from '../../client/src/console/runs/restart.ts'
import { check, valuesOf } from '../../client/src/console/runs/settings.ts'

describe('starting again with a run’s settings', () => {
  const input: TrainingConfigInput = {
    algorithm: 'grpo',
    grpoConfig: { groupSize: 8 },
    learningRate: 0.002,
    rewardModel: { tastes: 'proportional' },
    live: { title: 'A first try', klCoefficient: 0.2, categories: [{ name: 'warmth', weight: 2 }], tags: ['kind'] },
  }
  const before = TrainingConfig.parse(input)
  const again = (changed: Record<string, string>, title = 'A first try') =>
    check('demo', title, { ...valuesOf(before), ...changed }, before)
  const configurationOf = (checked: ReturnType<typeof check>) =>
    checked.ok ? TrainingConfig.parse(checked.configuration) : checked.errors

  test('the form that nobody changes starts the same run, to the last setting', () => {
    expect(configurationOf(again({}))).toEqual(before)
  })

  test('what is changed is changed, and nothing else', () => {
    expect(configurationOf(again({ learningRate: '0.01' }, 'A second try'))).toEqual({
      ...before,
      learningRate: 0.01,
      live: { ...before.live, title: 'A second try' },
    })
    expect(configurationOf(again({ 'live.categories': 'warmth, wit' }))).toMatchObject({
      live: { categories: [{ name: 'warmth' }, { name: 'wit' }] },
    })
  })

  test('what is emptied is left out, and so is the title', () => {
    const emptied: unknown = JSON.parse(JSON.stringify(configurationOf(again({ 'live.klCoefficient': '' }, ' '))))
    expect(emptied).toMatchObject({ algorithm: 'grpo', grpoConfig: { groupSize: 8 } })
    expect(emptied).not.toHaveProperty(['live', 'klCoefficient'])
    expect(emptied).not.toHaveProperty(['live', 'title'])
  })

  test('what is kept without a field for it is named, beside the default', () => {
    expect(carriedOver(before).map(({ path, values }) => [path, ...values])).toEqual([
      ['rewardModel.tastes', 'majority', 'proportional'],
      ['grpoConfig.groupSize', '4', '8'],
    ])
    expect(carriedOver(TrainingConfig.parse({ learningRate: 0.01 }))).toEqual([])
  })

  test('the run itself is not changed by the form', () => {
    const copy = structuredClone(before)
    again({ learningRate: '0.5', 'live.klCoefficient': '' }, '')
    expect(before).toEqual(copy)
  })
})
