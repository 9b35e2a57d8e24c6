/**
 * A number outside the range of a formula, with the field's name and its bounds. The boundaries
 * validate with zod first; this is the domain's own invariant.
 */
export class OutOfRange extends RangeError {
  readonly field: string
  readonly value: number
  readonly min: number
  readonly max: number

  constructor(field: string, value: number, min: number, max: number) {
    super(`${field} is ${value}; it must lie in [${min}, ${max}]`)
    this.name = 'OutOfRange'
    this.field = field
    this.value = value
    this.min = min
    this.max = max
  }
}

/** Returns `value` when `min <= value <= max` and throws {@link OutOfRange} otherwise (NaN included). */
export function within(field: string, value: number, min: number, max: number): number {
  if (!(value >= min && value <= max)) throw new OutOfRange(field, value, min, max)
  return value
}

/** `within` for fractions, in [0, 1]. */
export const unit = (field: string, value: number): number => within(field, value, 0, 1)

/** `within` for weights: any finite number that is not negative. */
export const weight = (field: string, value: number): number => within(field, value, 0, Number.MAX_VALUE)
