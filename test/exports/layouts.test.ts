import { describe, expect, test } from 'vitest'
import { exportLayouts, type ExportLayout } from '../../core/protocol/index.ts'
import { laidOut, layoutOf } from '../../server/exports/layouts/index.ts'
import { jsonl } from '../../server/exports/formats/jsonl.ts'
import { parquetFile, written } from './pages.ts'

const pair = { id: 'a_b', prompt: ' What color is the sky?', chosen: 'It is blue.', rejected: 'It is green.' }
const answer = { id: 'a', prompt: 'What color is the sky?', response: 'It is blue.', value: 0.8 }
const asked = [{ role: 'user', content: 'What color is the sky?' }]
const said = (content: string) => ({ role: 'assistant', content })

// As TRL documents each of its types, in its standard and its conversational format.
test.each<[Exclude<ExportLayout, 'rows'>, object, object, object]>([
  [
    'preference',
    pair,
    { prompt: 'What color is the sky?', chosen: ' It is blue.', rejected: ' It is green.', id: 'a_b' },
    { prompt: asked, chosen: [said('It is blue.')], rejected: [said('It is green.')], id: 'a_b' },
  ],
  [
    'implicit-preference',
    pair,
    { chosen: 'What color is the sky? It is blue.', rejected: 'What color is the sky? It is green.', id: 'a_b' },
    { chosen: [...asked, said('It is blue.')], rejected: [...asked, said('It is green.')], id: 'a_b' },
  ],
  [
    'unpaired-preference',
    answer,
    { prompt: 'What color is the sky?', completion: ' It is blue.', label: true, id: 'a' },
    { prompt: asked, completion: [said('It is blue.')], label: true, id: 'a' },
  ],
  [
    'prompt-completion',
    answer,
    { prompt: 'What color is the sky?', completion: ' It is blue.', id: 'a' },
    { prompt: asked, completion: [said('It is blue.')], id: 'a' },
  ],
  [
    'language-modeling',
    answer,
    { text: 'What color is the sky? It is blue.', id: 'a' },
    { messages: [...asked, said('It is blue.')], id: 'a' },
  ],
  ['prompt-only', answer, { prompt: 'What color is the sky?', id: 'a' }, { prompt: asked, id: 'a' }],
])('%s has the columns that TRL reads', async (name, row, standard, conversational) => {
  for (const [chat, expected] of [
    [false, standard],
    [true, conversational],
  ] as const) {
    const { columns, of } = laidOut(layoutOf(name, 0.5), chat)
    expect(of(row as never)).toEqual(expected)
    expect(JSON.parse(await written(jsonl, columns, [of(row as never)]))).toEqual(expected)
    expect((await parquetFile(columns, [of(row as never)])).rows).toEqual([expected])
  }
})

test('an answer’s label says whether its value is good enough', () => {
  const label = (value: number, minValue: number) =>
    layoutOf('unpaired-preference', minValue).of(
      { ...answer, value },
      { prompt: String, completion: String, whole: String },
    ).label
  expect([label(0.5, 0.5), label(0.49, 0.5), label(0.49, 0.4)]).toEqual([true, false, true])
})

describe('every layout', () => {
  test('belongs to one table, but for rows', () => {
    const all = Object.values(exportLayouts).flat()
    const named = all.filter((layout) => layout !== 'rows')
    expect(new Set(named).size).toBe(named.length)
    expect(all.filter((layout) => layout === 'rows')).toHaveLength(Object.keys(exportLayouts).length)
  })
})
