import { exactDiv } from '../../lm/graph/index.ts'
import { compare } from './examples.ts'
import { dot } from './ridge.ts'

/**
 * Frozen-trunk features of samples by id, standardised: the reward model's inputs. The first half of a
 * sample's features is defined for every prefix of it, too (`ReferenceView.prefixes`).
 */
export interface FeatureTable {
  /** Even. */
  readonly width: number
  /** Keeps a sample's raw features [width]; the first call for an id wins. */
  add(sampleId: string, features: Float32Array): void
  has(sampleId: string): boolean
  /** Forgets every sample but these. */
  keep(sampleIds: ReadonlySet<string>): void
  readonly size: number
  /**
   * What the heads read for a sample: standardised, scaled by 1/√width, then 1 for the intercept: [width + 1].
   *
   * @throws RangeError for a sample whose features are not known
   */
  input(sampleId: string): Float64Array
  /** The same of the first half alone: [width / 2 + 1]. */
  prefixInput(sampleId: string): Float64Array
  /** Inner products of two samples' inputs, and of their prefix inputs, computed once for each pair. */
  product(sampleA: string, sampleB: string): number
  prefixProduct(sampleA: string, sampleB: string): number
  /**
   * The same for features that are not in the table: [width] -> [width + 1], or a prefix's [width / 2] -> [width / 2 +
   * 1].
   */
  standardise(features: ArrayLike<number>): Float64Array
  /** Fixes mean and deviation from these outputs, usually of the reference policy. Only the first call counts. */
  fitScale(outputs: readonly Float32Array[]): void
  readonly scaled: boolean
  /** In the order of ids, so that it does not depend on when each was added: `rows` [samples, width], and the scale. */
  exportState(): { arrays: Map<string, Float32Array>; ids: string[] }
}

interface Row {
  features: Float32Array
  input?: Float64Array
  prefixInput?: Float64Array
  /** Inner products with the inputs of the samples that were asked for, by their ids; the same of prefix inputs. */
  products: Map<string, number>
  prefixProducts: Map<string, number>
}

/** Upper bound of the factor that standardises a feature which hardly varies. */
const LEAST_DEVIATION = 1e-3

export function openFeatures(
  width: number,
  saved?: { arrays: ReadonlyMap<string, Float32Array>; ids: readonly string[] },
): FeatureTable {
  const rows = new Map<string, Row>()
  let scale: { mean: Float32Array; deviation: Float32Array } | undefined
  const half = exactDiv(width, 2, 'features by halves')

  const check = (features: ArrayLike<number>): void => {
    if (features.length !== width) throw new RangeError(`${features.length} features; the reward model reads ${width}`)
  }
  const add = (sampleId: string, features: Float32Array): void => {
    check(features)
    if (rows.has(sampleId)) return
    rows.set(sampleId, { features: features.slice(), products: new Map(), prefixProducts: new Map() })
  }
  const rowOf = (sampleId: string): Row => {
    const row = rows.get(sampleId)
    if (!row) throw new RangeError(`the features of ${sampleId} are not known`)
    return row
  }
  const input = (row: Row): Float64Array => (row.input ??= standardise(row.features))
  const prefixInput = (row: Row): Float64Array => (row.prefixInput ??= standardise(row.features.subarray(0, half)))
  const product = (
    a: string,
    b: string,
    of: 'products' | 'prefixProducts',
    read: (row: Row) => Float64Array,
  ): number => {
    // Kept by the lesser id, so that a pair is stored once.
    const [first, second] = a < b ? [a, b] : [b, a]
    const known = rowOf(first)[of]
    let found = known.get(second)
    if (found === undefined) known.set(second, (found = dot(read(rowOf(first)), read(rowOf(second)))))
    return found
  }
  const standardise = (features: ArrayLike<number>): Float64Array => {
    const { length } = features
    if (length !== half) check(features)
    if (!scale) throw new Error('the features have no scale yet: fitScale comes first')
    const input = new Float64Array(length + 1)
    for (let i = 0; i < length; i++)
      input[i] = (features[i]! - scale.mean[i]!) / scale.deviation[i]! / Math.sqrt(length)
    input[length] = 1
    return input
  }
  if (saved) {
    const mean = saved.arrays.get('mean')
    const deviation = saved.arrays.get('deviation')
    if (mean && deviation) scale = { mean, deviation }
    const flat = saved.arrays.get('rows') ?? new Float32Array(0)
    if (flat.length !== saved.ids.length * width)
      throw new RangeError(`${flat.length} features saved for ${saved.ids.length} samples`)
    saved.ids.forEach((id, i) => add(id, flat.slice(i * width, (i + 1) * width)))
  }
  return {
    width,
    add,
    has: (id) => rows.has(id),
    keep(ids) {
      for (const id of rows.keys()) if (!ids.has(id)) rows.delete(id)
      for (const { products, prefixProducts } of rows.values())
        for (const known of [products, prefixProducts])
          for (const id of known.keys()) if (!ids.has(id)) known.delete(id)
    },
    get size() {
      return rows.size
    },
    input: (id) => input(rowOf(id)),
    prefixInput: (id) => prefixInput(rowOf(id)),
    product: (a, b) => product(a, b, 'products', input),
    prefixProduct: (a, b) => product(a, b, 'prefixProducts', prefixInput),
    standardise,
    fitScale(outputs) {
      if (scale) return
      outputs.forEach(check)
      scale = momentsOf(outputs, width)
    },
    get scaled() {
      return scale !== undefined
    },
    exportState() {
      const ids = [...rows.keys()].sort(compare)
      const flat = new Float32Array(ids.length * width)
      ids.forEach((id, i) => flat.set(rowOf(id).features, i * width))
      const arrays = new Map<string, Float32Array>([['rows', flat]])
      if (scale) arrays.set('mean', scale.mean).set('deviation', scale.deviation)
      return { arrays, ids }
    },
  }
}

function momentsOf(outputs: readonly Float32Array[], width: number): { mean: Float32Array; deviation: Float32Array } {
  if (outputs.length < 2) throw new RangeError(`${outputs.length} outputs give no scale`)
  const mean = new Float32Array(width)
  const deviation = new Float32Array(width)
  for (let i = 0; i < width; i++) {
    let sum = 0
    for (const x of outputs) sum += x[i]!
    const centre = sum / outputs.length
    let squares = 0
    for (const x of outputs) squares += (x[i]! - centre) ** 2
    mean[i] = centre
    deviation[i] = Math.max(LEAST_DEVIATION, Math.sqrt(squares / (outputs.length - 1)))
  }
  return { mean, deviation }
}
