/**
 * A new GPT-2's weights, by GPT-2's own scheme: normal with deviation 0.02,
 * the two projections into the residual stream scaled by 1/√(2·layers), biases
 * zero, layer-norm gains one.
 */
import { sizeOf } from '../graph/index.ts'
import type { Gpt2Config } from './config.ts'
import type { Gpt2Model, Weights } from './directory.ts'
import { gpt2Parameters } from './gpt2.ts'
import { openRandom } from './random.ts'

/** The same seed gives the same weights. */
export function initialModel(config: Gpt2Config, seed: number): Gpt2Model {
  const weights: Weights = new Map()
  const random = openRandom(seed)
  for (const [name, shape] of gpt2Parameters(config)) {
    const data = new Float32Array(sizeOf(shape))
    const deviation = name.endsWith('c_proj.weight') ? 0.02 / Math.sqrt(2 * config.layers) : 0.02
    if (shape.length === 1) data.fill(name.endsWith('.bias') ? 0 : 1)
    else for (let i = 0; i < data.length; i++) data[i] = deviation * random.normal()
    weights.set(name, { shape, data })
  }
  return { config, weights }
}
