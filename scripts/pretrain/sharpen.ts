/**
 * A model that at temperature 1 samples as the given one does at 1 / `factor`: the last layer norm's
 * gain and bias are multiplied, and with them every logit, since the head is the tied embedding and
 * has no bias. It takes away the thin tail of wrong tokens that a short training leaves.
 */
import type { Model } from '../../trainer/models/directory.ts'

const FINAL_NORM = ['transformer.ln_f.weight', 'transformer.ln_f.bias']

/** A copy; `factor` is 1 or more. */
export function sharpened({ architecture, weights }: Model, factor: number): Model {
  if (!(factor >= 1)) throw new Error(`sharpened: the factor is ${factor}`)
  const scaled = [...weights].map(([name, { shape, data }]) => {
    return [name, { shape, data: FINAL_NORM.includes(name) ? data.map((value) => factor * value) : data }] as const
  })
  return { architecture, weights: new Map(scaled) }
}
