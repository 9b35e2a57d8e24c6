import { z } from 'zod'
import { copyCompanions, loadWeights, readModel, writeHeldModel } from '../../lm/files/directory.ts'
import { openFit, padRows } from '../../lm/training/fit.ts'
import { checkIds } from '../../lm/architectures/forward.ts'
import { readJson } from '../../lm/files/json-file.ts'
import { command } from '../cli/command.ts'
import { Misuse, number, numberOf, parsed, text, whole } from '../cli/options.ts'
import { engineOptions, modelDirectory, withEngine, type ModelCommand } from './surroundings.ts'

/** Rows of ids, of differing lengths. */
const rowsSchema = z
  .array(z.array(z.int().nonnegative()).min(2, 'a row needs two tokens: one to read, one to learn'))
  .min(1, 'there are no rows')

/** Trains on all rows at every step and writes a model directory; `losses` are those before each step, nats a token. */
export const fit: ModelCommand = (surroundings) =>
  command({
    name: 'fit',
    summary: 'trains a model on rows of token ids',
    detail: 'Next-token cross entropy on all rows each step, with AdamW: decay on every parameter, no clipping.',
    takes: modelDirectory,
    options: {
      ...engineOptions,
      idsFile: text('FILE', 'the rows: JSON such as [[5,6,7],[8,9]]'),
      out: text('DIR', 'where the trained model is written'),
      steps: whole('STEPS', 'how many updates', { least: 0 }).or(3),
      lr: number('RATE', 'learning rate', { least: 0 }).or(1e-3),
      betas: parsed('B1,B2', 'decay of the two moments', betasOf).or([0.9, 0.95]),
      eps: number('EPSILON', 'added to the root of the second moment', { least: 0 }).or(1e-8),
      weightDecay: number('DECAY', 'of every parameter', { least: 0 }).or(0.1),
    },
    async run({ idsFile, out, steps, lr, betas: [beta1, beta2], eps, weightDecay, ...values }, [directory]) {
      const around = surroundings()
      const optimizer = {
        beta1,
        beta2,
        epsilon: eps,
        weightDecay,
        maxGradientNorm: 0,
      }
      const rows = await readJson(idsFile, rowsSchema)
      const model = await readModel(directory)
      rows.forEach((row, i) => checkIds(model.architecture, row, `${idsFile}: row ${i}`))
      return withEngine(around, values, async (engine) => {
        loadWeights(engine.states, model)
        const padded = padRows(rows)
        const training = openFit(engine, { model, optimizer })
        const losses: number[] = []
        for (let step = 1; step <= steps; step++) {
          const { loss } = await training.step(padded, lr)
          losses.push(loss)
          around.say(`step ${step} of ${steps}: loss ${loss.toFixed(4)}`)
        }
        await copyCompanions(directory, out)
        await writeHeldModel(out, engine.states, model)
        return { out, steps, losses }
      })
    },
  })

function betasOf(given: string, option: string): [number, number] {
  const [beta1, beta2, ...rest] = given.split(',').map((beta) => numberOf(option, beta, { least: 0, most: 1 }))
  if (beta1 === undefined || beta2 === undefined || rest.length > 0)
    throw new Misuse(`${option} is two numbers such as 0.9,0.95, not ${JSON.stringify(given)}`)
  return [beta1, beta2]
}
