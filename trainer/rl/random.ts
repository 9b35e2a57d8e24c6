/** A seeded stream of numbers whose place can be saved and taken up again. */
export interface Random {
  /** The next number in [0, 1). */
  next(): number
  /** Where the stream stands: `openRandom(state())` goes on from here. */
  state(): number
}

/**
 * Mulberry32 (Ettinger 2017): 2³² states, good enough for permutations and bootstraps.
 *
 * @param seed a whole number; its low 32 bits count
 */
export function openRandom(seed: number): Random {
  let state = seed >>> 0
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0
      let z = state
      z = Math.imul(z ^ (z >>> 15), z | 1)
      z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
      return ((z ^ (z >>> 14)) >>> 0) / 4294967296
    },
    state: () => state,
  }
}

/** A seed that differs for every list of whole numbers (FNV-1a over their bytes, finally mixed). */
export function seedOf(...parts: number[]): number {
  let hash = 0x811c9dc5
  for (const part of parts) {
    for (let shift = 0; shift < 32; shift += 8) hash = Math.imul(hash ^ ((part >>> shift) & 0xff), 0x01000193)
  }
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  return hash >>> 0
}

/** A standard normal number (Box and Muller 1958). */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
}
