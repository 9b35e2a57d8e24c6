import { z } from 'zod'
import { copyCompanions, loadWeights, readModel, writeHeldModel } from '../../lm/files/directory.ts'
import { openFit, padRows } from '../../lm/training/fit.ts'
import { checkIds } from '../../lm/architectures/forward.ts'
import { readJson } from '../../lm/files/json-file.ts'
import { engineOptions, Misuse, numberOf, parse, withEngine, type Surroundings } from './arguments.ts'

const text = (otherwise: string) => ({ type: 'string', default: otherwise }) as const
const options = {
  ...engineOptions,
  'ids-file': { type: 'string' },
  out: { type: 'string' },
  steps: text('3'),
  lr: text('1e-3'),
  betas: text('0.9,0.95'),
  eps: text('1e-8'),
  'weight-decay': text('0.1'),
} as const

/** Rows of ids, of differing lengths. */
const rowsSchema = z
  .array(z.array(z.int().nonnegative()).min(2, 'a row needs two tokens: one to read, one to learn'))
  .min(1, 'there are no rows')

/** Trains on all rows at every step and writes a model directory; `losses` are those before each step, nats a token. */
export async function fit(
  args: readonly string[],
  around: Surroundings,
): Promise<{ out: string; steps: number; losses: number[] }> {
  const { values, positional: directory } = parse(args, options, 'model directory')
  const { out, 'ids-file': file } = values
  if (file === undefined || out === undefined) throw new Misuse('fit needs --ids-file and --out')
  const steps = numberOf('--steps', values.steps, { least: 0, whole: true })
  const rate = numberOf('--lr', values.lr, { least: 0 })
  const [beta1, beta2] = betasOf(values.betas)
  const optimizer = {
    beta1,
    beta2,
    epsilon: numberOf('--eps', values.eps, { least: 0 }),
    weightDecay: numberOf('--weight-decay', values['weight-decay'], { least: 0 }),
    maxGradientNorm: 0,
  }
  const rows = await readJson(file, rowsSchema)
  const model = await readModel(directory)
  rows.forEach((row, i) => checkIds(model.architecture, row, `${file}: row ${i}`))
  return withEngine(around, values, async (engine) => {
    loadWeights(engine.states, model)
    const padded = padRows(rows)
    const training = openFit(engine, { model, optimizer })
    const losses: number[] = []
    for (let step = 1; step <= steps; step++) {
      const { loss } = await training.step(padded, rate)
      losses.push(loss)
      around.say(`step ${step} of ${steps}: loss ${loss.toFixed(4)}`)
    }
    await copyCompanions(directory, out)
    await writeHeldModel(out, engine.states, model)
    return { out, steps, losses }
  })
}

function betasOf(given: string): [number, number] {
  const [beta1, beta2, ...rest] = given.split(',').map((beta) => numberOf('--betas', beta, { least: 0, most: 1 }))
  if (beta1 === undefined || beta2 === undefined || rest.length > 0)
    throw new Misuse(`--betas is two numbers such as 0.9,0.95, not ${JSON.stringify(given)}`)
  return [beta1, beta2]
}
