/** A new model's weights: normal with the architecture's deviations, biases zero, norms' gains one. */
import { sizeOf } from '../graph/index.ts'
import type { Architecture } from './architecture.ts'
import type { Model } from '../files/directory.ts'
import { openRandom } from '../sampling/random.ts'
import type { WeightTensor } from '../files/weights.ts'

/** The same seed gives the same weights. */
export function initialModel(architecture: Architecture, seed: number): Model {
  const weights = new Map<string, WeightTensor>()
  const random = openRandom(seed)
  for (const [name, shape] of architecture.parameters) {
    const data = new Float32Array(sizeOf(shape))
    const deviation = architecture.initialDeviation(name)
    if (shape.length === 1) data.fill(name.endsWith('.bias') ? 0 : 1)
    else for (let i = 0; i < data.length; i++) data[i] = deviation * random.normal()
    weights.set(name, { shape, data })
  }
  return { architecture, weights }
}
