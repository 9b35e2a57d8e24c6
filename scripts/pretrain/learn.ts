/** Trains the demo model on a stream of exchanges: warm-up, cosine schedule, held-out perplexity. */
import type { Engine } from '../../trainer/engines/engine.ts'
import { Graph } from '../../trainer/graph/index.ts'
import type { Gpt2Config } from '../../trainer/models/config.ts'
import { languageModelLoss, openFit, pretraining, type Fit, type FitStep, type Rows } from '../../trainer/models/fit.ts'
import { tokenFeeds, tokenInputs } from '../../trainer/models/gpt2.ts'
import { BUCKETS, batches, type Bucket } from './rows.ts'

const PEAK_RATE = 1.5e-3
const FINAL_SHARE = 0.03
const WARM_UP_STEPS = 150
const optimizer = { ...pretraining, beta2: 0.99, weightDecay: 0.05 }

/** The learning rate when a share `progress` in [0, 1] of the training is done. */
export function learningRate(step: number, progress: number): number {
  const warm = Math.min(1, (step + 1) / WARM_UP_STEPS)
  const cosine = (1 + Math.cos(Math.PI * Math.min(1, progress))) / 2
  return PEAK_RATE * warm * (FINAL_SHARE + (1 - FINAL_SHARE) * cosine)
}

export type Progress = FitStep & { step: number; tokens: number; rate: number }

export type LearnOptions = {
  engine: Engine
  config: Gpt2Config
  encode: (text: string) => number[]
  seed: number
  /** The share of the training that is done after so many steps; it ends at 1. */
  progress: (step: number) => number
  onStep: (progress: Progress) => Promise<void>
}

function realTokens({ mask }: Rows): number {
  return mask.reduce((sum, one) => sum + one, 0)
}

/** Trains the weights that the engine holds until `progress` reaches 1. */
export async function learn({ engine, config, encode, seed, progress, onStep }: LearnOptions): Promise<void> {
  // One compiled step for each row length, all on the same weights and moments. Each counts its own
  // steps for Adam's bias correction, which fades within the warm-up.
  const fits = new Map<Bucket, Fit>()
  for (const bucket of BUCKETS) fits.set(bucket, await openFit(engine, { config, optimizer, ...bucket }))
  let step = 0
  let tokens = 0
  for (const { bucket, rows } of batches(encode, seed, 'train')) {
    const done = progress(step)
    if (done >= 1) break
    const rate = learningRate(step, done)
    const result = await fits.get(bucket)?.step(rows, rate)
    if (result === undefined) throw new Error(`learn: no step for rows of ${bucket.length}`)
    tokens += realTokens(rows)
    await onStep({ ...result, step: ++step, tokens, rate })
  }
  for (const fit of fits.values()) await fit.close()
}

/** exp(mean cross entropy) per token over held-out exchanges, prompts included; `count` batches of each length. */
export async function heldOutPerplexity({ engine, config, encode, seed }: Pick<LearnOptions, 'engine' | 'config' | 'encode' | 'seed'>, count = 4): Promise<number> {
  let sum = 0
  let tokens = 0
  const open = new Map(BUCKETS.slice(0, 3).map((bucket) => [bucket, { left: count, rows: [] as Rows[] }]))
  for (const { bucket, rows } of batches(encode, seed, 'held-out')) {
    const place = open.get(bucket)
    if (place !== undefined && place.left > 0) {
      place.left--
      place.rows.push(rows)
    }
    if ([...open.values()].every(({ left }) => left === 0)) break
  }
  for (const [{ batch, length }, { rows }] of open) {
    const graph = new Graph()
    graph.output('loss', languageModelLoss(graph, config, tokenInputs(graph, batch, length)))
    const program = await engine.compile(graph)
    for (const batchRows of rows) {
      const outputs = await program.run(tokenFeeds(batchRows.ids, batchRows.mask, length))
      const learnt = realTokens(batchRows) - batch
      sum += outputs.scalar('loss') * learnt
      tokens += learnt
    }
    await program.dispose()
  }
  return Math.exp(sum / tokens)
}
