import { exactDiv } from '../../lm/graph/index.ts'

/**
 * Frozen-trunk features of samples by id, standardised: the reward model's inputs. The first half of a
 * sample's features is defined for every prefix of it, too (`ReferenceView.prefixes`).
 */
export interface FeatureTable {
  /** Even. */
  readonly width: number
  /** Keeps a sample's raw features [width]; the first call for an id wins. */
  add(sampleId: string, features: Float32Array): void
  row(sampleId: string): number | undefined
  readonly size: number
  /** What the heads read for a table row: standardised, scaled by 1/√width, then 1 for the intercept: [width + 1]. */
  input(row: number): Float64Array
  /** The same of the row's first half alone: [width / 2 + 1]. */
  prefixInput(row: number): Float64Array
  /**
   * The same for features that are not in the table: [width] -> [width + 1], or a prefix's [width / 2] -> [width / 2 +
   * 1].
   */
  standardise(features: ArrayLike<number>): Float64Array
  /** Fixes mean and deviation from these outputs, usually of the reference policy. Only the first call counts. */
  fitScale(outputs: readonly Float32Array[]): void
  readonly scaled: boolean
  exportState(): { arrays: Map<string, Float32Array>; ids: string[] }
}

/** Upper bound of the factor that standardises a feature which hardly varies. */
const LEAST_DEVIATION = 1e-3

export function openFeatures(
  width: number,
  saved?: { arrays: ReadonlyMap<string, Float32Array>; ids: readonly string[] },
): FeatureTable {
  const rows = new Map<string, number>()
  const table: Float32Array[] = []
  let scale: { mean: Float32Array; deviation: Float32Array } | undefined
  let inputs: (Float64Array | undefined)[] = []
  let prefixInputs: (Float64Array | undefined)[] = []
  const half = exactDiv(width, 2, 'features by halves')

  const check = (features: ArrayLike<number>): void => {
    if (features.length !== width) throw new RangeError(`${features.length} features; the reward model reads ${width}`)
  }
  const add = (sampleId: string, features: Float32Array): void => {
    check(features)
    if (rows.has(sampleId)) return
    rows.set(sampleId, table.length)
    table.push(features.slice())
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
    row: (id) => rows.get(id),
    get size() {
      return table.length
    },
    input: (row) => (inputs[row] ??= standardise(table[row]!)),
    prefixInput: (row) => (prefixInputs[row] ??= standardise(table[row]!.subarray(0, half))),
    standardise,
    fitScale(outputs) {
      if (scale) return
      outputs.forEach(check)
      scale = momentsOf(outputs, width)
      inputs = []
      prefixInputs = []
    },
    get scaled() {
      return scale !== undefined
    },
    exportState() {
      const flat = new Float32Array(table.length * width)
      table.forEach((features, i) => flat.set(features, i * width))
      const arrays = new Map<string, Float32Array>([['rows', flat]])
      if (scale) arrays.set('mean', scale.mean).set('deviation', scale.deviation)
      return { arrays, ids: [...rows.keys()] }
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
