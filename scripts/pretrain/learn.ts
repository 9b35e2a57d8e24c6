/** Trains the demo model on a stream of exchanges: warm-up, cosine schedule, held-out perplexity. */
import type { Engine } from '../../lm/engines/engine.ts'
import type { HeldModel } from '../../lm/architectures/architecture.ts'
import { meanLoss, openFit, pretraining, type Rows } from '../../lm/training/fit.ts'
import { BUCKETS, batches } from './rows.ts'

const PEAK_RATE = 1.2e-3
const FINAL_SHARE = 0.02
const WARM_UP_STEPS = 150
const optimizer = { ...pretraining, beta2: 0.99, weightDecay: 0.05 }

/** The learning rate when a share `progress` in [0, 1] of the training is done. */
export function learningRate(step: number, progress: number): number {
  const warm = Math.min(1, (step + 1) / WARM_UP_STEPS)
  const cosine = (1 + Math.cos(Math.PI * Math.min(1, progress))) / 2
  return PEAK_RATE * warm * (FINAL_SHARE + (1 - FINAL_SHARE) * cosine)
}

/** `loss` in nats per answer token, before the step; `tokens` are all the tokens read so far. */
export type Progress = { step: number; loss: number; tokens: number }

export type Measured = { engine: Engine; model: HeldModel; encode: (text: string) => number[]; seed: number }

export type LearnOptions = Measured & {
  /** The share of the training that is done after this many steps; it ends at 1. */
  progress: (step: number) => number
  onStep: (progress: Progress) => Promise<void>
}

/** Trains the weights held by the engine until `progress` reaches 1. */
export async function learn({ engine, model, encode, seed, progress, onStep }: LearnOptions): Promise<void> {
  const fit = openFit(engine, { model, optimizer })
  let tokens = 0
  for (const { rows } of batches(encode, seed, 'train')) {
    const done = progress(fit.steps)
    if (done >= 1) break
    const { loss } = await fit.step(rows, learningRate(fit.steps, done))
    tokens += rows.mask.reduce((sum, one) => sum + one, 0)
    await onStep({ step: fit.steps, loss, tokens })
  }
  await fit.close()
}

/** exp(mean cross entropy) per answer token over `count` batches of held-out exchanges of the middle length. */
export async function heldOutPerplexity({ engine, model, encode, seed }: Measured, count = 8): Promise<number> {
  const [, middle] = BUCKETS
  if (middle === undefined) throw new Error('heldOutPerplexity: no bucket')
  const found: Rows[] = []
  for (const { bucket, rows } of batches(encode, seed, 'held-out')) {
    if (bucket === middle) found.push(rows)
    if (found.length === count) break
  }
  return Math.exp(await meanLoss(engine, model, found))
}
