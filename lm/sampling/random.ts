/**
 * A seeded generator whose whole state is one number: mulberry32 (Tommy Ettinger's
 * 32-bit generator; period 2³²). The same seed gives the same numbers anywhere.
 */
export interface Random {
  /** Uniform in [0, 1), 32 bits of it. */
  uniform(): number
  /** Standard normal (Box & Muller 1958; two uniforms a number). */
  normal(): number
  /** The state from which `openRandom(state)` continues. */
  readonly state: number
}

export function openRandom(seed: number): Random {
  let state = seed >>> 0
  const uniform = (): number => {
    state = (state + increment) >>> 0
    return mixed(state)
  }
  return {
    uniform,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    get state() {
      return state
    },
  }
}

const increment = 0x6d2b79f5

/** The number in [0, 1) of a state. */
function mixed(state: number): number {
  let x = Math.imul(state ^ (state >>> 15), state | 1)
  x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
  return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
}

/**
 * A seed for stream `index` of `seed`, so that neighbouring streams are practically independent (splitmix32's
 * finaliser).
 */
export function streamSeed(seed: number, index: number): number {
  let x = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(index + 1, 0x9e3779b9)) >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad)
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97)
  return (x ^ (x >>> 15)) >>> 0
}

/**
 * The `index`-th number, uniform in [0, 1), of a seed's stream: a pure function, so only the pair needs to be stored.
 */
export function uniformAt(seed: number, index: number): number {
  return mixed((streamSeed(seed, index) + increment) >>> 0)
}
