/**
 * A model that at temperature 1 samples as the given one does at 1 / `factor`: the last layer norm's
 * gain and bias are multiplied, and with them every logit, since the head is the tied embedding and
 * has no bias. It takes away the thin tail of wrong tokens that a short training leaves.
 */
import type { Model } from '../../lm/files/directory.ts'
import type { WeightTensor } from '../../lm/files/weights.ts'

const FINAL_NORM = ['transformer.ln_f.weight', 'transformer.ln_f.bias']

/** The given model is left unchanged; `factor` is 1 or more. */
export function sharpened({ architecture, weights }: Model, factor: number): Model {
  if (!(factor >= 1)) throw new Error(`sharpened: the factor is ${factor}`)
  const get = (name: string): WeightTensor | undefined => {
    const tensor = weights.get(name)
    return tensor && FINAL_NORM.includes(name)
      ? { ...tensor, data: tensor.data.map((value) => factor * value) }
      : tensor
  }
  return { architecture, weights: { keys: () => weights.keys(), get } }
}
