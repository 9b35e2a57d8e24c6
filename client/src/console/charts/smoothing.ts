/** Curves without their noise. Pure. */

/** The strongest smoothing that is offered: about the last hundred values. */
export const MOST_SMOOTHING = 0.99

/**
 * The exponential moving average of a curve, m ← w m + (1 - w) v, divided by 1 - wⁿ after n values, so that it begins
 * at the first value and not at 0. Gaps stay gaps. Source: Kingma and Ba 2015, section 3, as TensorBoard draws it.
 *
 * @param weight w, what the values before count for: 0 leaves the curve as it is; below 1
 */
export function smoothed(values: readonly (number | null)[], weight: number): (number | null)[] {
  let mean = 0
  let left = 1
  return values.map((value) => {
    if (value === null) return null
    mean = weight * mean + (1 - weight) * value
    left *= weight
    return mean / (1 - left)
  })
}
