import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine } from '../../lm/engines/engine.ts'
import { openOnnx } from '../../lm/engines/onnx.ts'
import { Graph } from '../../lm/graph/index.ts'
import { loadWeights, readModel, type Model } from '../../lm/files/directory.ts'
import { meanLoss, openFit, padRows } from '../../lm/training/fit.ts'
import { hiddenStates, nextLogProbs, tokenFeeds, tokenInputs } from '../../lm/architectures/forward.ts'
import { openLru } from '../../lm/lru.ts'

const optimizer = { beta1: 0.9, beta2: 0.95, epsilon: 1e-3, weightDecay: 0, maxGradientNorm: 1 }
const texts = [
  [5, 6, 7, 8, 1],
  [9, 3, 1],
  [4, 4, 8, 2, 6, 1],
  [7, 1],
]
const prompts = [2, 1, 3, 1]

let engine: Engine
let model: Model
beforeAll(async () => {
  engine = await openOnnx()
  model = await readModel(fileURLToPath(new URL('../fixtures/llama-tiny', import.meta.url)))
})
afterAll(() => engine.close())

async function trained(
  work: (fit: ReturnType<typeof openFit>) => Promise<unknown>,
  accumulation?: number,
): Promise<Float32Array[]> {
  loadWeights(engine.states, model)
  for (const name of engine.states.names('adam.')) engine.states.delete(name)
  const fit = openFit(engine, { model, optimizer, accumulation })
  await work(fit)
  await fit.close()
  return Promise.all([...model.architecture.parameters.keys()].map((name) => engine.states.get(name)))
}

test('rows mark the answer as what is learnt; the prompt is read, the padding is not', () => {
  const { ids, mask, learnt, batch, length } = padRows(
    [
      [5, 6, 7, 8],
      [9, 3],
    ],
    [2, 1],
    5,
  )
  expect([batch, length]).toEqual([2, 5])
  expect([...ids]).toEqual([5, 6, 7, 8, 0, 9, 3, 0, 0, 0])
  expect([...mask]).toEqual([1, 1, 1, 1, 0, 1, 1, 0, 0, 0])
  expect([...(learnt ?? [])]).toEqual([0, 0, 1, 1, 0, 0, 1, 0, 0, 0])
  expect(() => padRows([[1, 2, 3]], [1], 2)).toThrow(/do not fit/)
})

describe('fine-tuning', () => {
  test('has the mean loss of the answers’ tokens alone', async () => {
    loadWeights(engine.states, model)
    const graph = new Graph()
    const tokens = tokenInputs(graph, 1, 6)
    graph.output('logProbs', nextLogProbs(graph, model, hiddenStates(graph, model, tokens), tokens.ids).logProbs)
    const program = await engine.compile(graph)
    let sum = 0
    let count = 0
    for (const [i, text] of texts.entries()) {
      const { ids, mask } = padRows([text], undefined, 6)
      const logProbs = (await program.run(tokenFeeds(ids, mask, 6))).float32('logProbs')
      for (let t = prompts[i]!; t < text.length; t++) ((sum -= logProbs[t - 1]!), count++)
    }
    await program.dispose()
    expect(count).toBe(9)
    expect(await meanLoss(engine, model, [padRows(texts, prompts)])).toBeCloseTo(sum / count, 4)
    // In batches of other shapes, too.
    expect(
      await meanLoss(engine, model, [padRows(texts.slice(0, 1), prompts), padRows(texts.slice(1), prompts.slice(1))]),
    ).toBeCloseTo(sum / count, 4)
  })

  test('learns its answers, and nothing of the prompts', async () => {
    const answers = padRows(texts, prompts)
    const asked = padRows(texts.map((text, i) => text.slice(0, prompts[i])))
    loadWeights(engine.states, model)
    const before = [await meanLoss(engine, model, [answers]), await meanLoss(engine, model, [asked])]
    await trained(async (fit) => {
      for (let step = 0; step < 40; step++) await fit.step(answers, 1e-2)
      expect(fit.steps).toBe(40)
    })
    expect(await meanLoss(engine, model, [answers])).toBeLessThan(0.2 * before[0]!)
    expect(await meanLoss(engine, model, [asked])).toBeGreaterThan(0.8 * before[1]!)
  })

  test('in parts gives what it gives at once, to rounding', async () => {
    const rows = padRows(texts, prompts)
    const step = async (fit: ReturnType<typeof openFit>) => {
      await fit.step(rows, 1e-2)
      await fit.step(rows, 1e-2)
    }
    const [whole, parts] = [await trained(step), await trained(step, 2)]
    whole.forEach((values, i) => values.forEach((x, k) => expect(Math.abs(x - parts[i]![k]!)).toBeLessThan(1e-5)))
    await expect(trained(step, 3)).rejects.toThrow(/not divisible/)
  })
})

test('of what is open by key only the latest used stay open, and each is closed once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 30 }),
      fc.integer({ min: 1, max: 3 }),
      async (keys, most) => {
        const open: string[] = []
        const recent = openLru<string>(most, async (key) => {
          expect(open).toContain(key)
          open.splice(open.indexOf(key), 1)
        })
        for (const [i, key] of keys.entries()) {
          await recent.get(key, async () => {
            open.push(key)
            return key
          })
          const latest = new Set(keys.slice(0, i + 1).toReversed())
          expect(new Set(open)).toEqual(new Set([...latest].slice(0, most)))
        }
        await recent.close()
        expect(open).toEqual([])
      },
    ),
  )
  const failing = openLru<number>(1, async () => {})
  await expect(failing.get('x', () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
  expect(await failing.get('x', async () => 1)).toBe(1)
})
