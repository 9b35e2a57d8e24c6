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
  const exponent = (half >> 10) & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15))
})

/** To the nearest, ties to even; from 65520 on to infinity. */
export function toHalf(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const halves = new Uint16Array(values.length)
  for (let i = 0; i < halves.length; i++) halves[i] = halfOf(bits[i] ?? 0, values[i] ?? 0)
  return halves
}

/** Adding it leaves no bits for a fraction, which is thereby rounded to even. */
const wholes = 2 ** 52

function halfOf(bits: number, value: number): number {
  const sign = (bits >>> 16) & 0x8000
  const size = bits & 0x7fffffff
  if (size > 0x7f800000) return 0x7e00 // NaN
  if (size >= 0x477ff000) return sign | 0x7c00 // 65520 and more
  if (size < 0x38800000) return sign | (Math.abs(value) * 2 ** 24 + wholes - wholes) // below 2⁻¹⁴: a count of 2⁻²⁴
  // The exponent's bias is 112 less, and 10 of the fraction's 23 bits remain; a carry runs into the exponent.
  return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13)
}
