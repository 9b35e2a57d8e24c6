/** IEEE 754 binary16 and bfloat16, to and from float32. */

/** Exact. */
export function fromHalf(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length)
  for (let i = 0; i < halves.length; i++) values[i] = everyHalf[halves[i] ?? 0] ?? NaN
  return values
}

/** Exact: bfloat16 is the upper half of a float32. */
export function fromBrainFloat(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length)
  for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] ?? 0) << 16
  return new Float32Array(bits.buffer)
}

/** The value of each of the 2¹⁶ patterns. */
const everyHalf = Float32Array.from({ length: 2 ** 16 }, (_, half) => {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = half >> 10 & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15))
})

/** To the nearest, ties to even; beyond 65504 to infinity. */
export function toHalf(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, value => {
    const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
    const size = Math.abs(value)
    if (Number.isNaN(value)) return 0x7e00
    if (size >= 65520) return sign | 0x7c00
    // Subnormals and normals share one rule: a count of the spacing at this size.
    const exponent = Math.max(-14, Math.floor(Math.log2(size)))
    const lower = size < 2 ** exponent && exponent > -14 ? exponent - 1 : exponent
    const steps = roundToEven(size / 2 ** (lower - 10))
    // A normal's 1024 is the implied leading bit, which also carries into the exponent.
    return sign | (lower === -14 ? steps : (lower + 14 << 10) + steps)
  })
}

function roundToEven(x: number): number {
  const floor = Math.floor(x)
  const rest = x - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
}
