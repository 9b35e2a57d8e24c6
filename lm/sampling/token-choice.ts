/** Choosing one token from a distribution: pure functions of probabilities and one uniform number. */

export interface Truncation {
  /** Keep only the k likeliest tokens; 0 keeps all. */
  topK: number
  /** Keep the smallest set of likeliest tokens with at least this mass (Holtzman et al. 2020); 1 keeps all. */
  topP: number
}

/** The likeliest token; of ties the first. */
export function greedyToken(probabilities: Float32Array): number {
  let best = 0
  let most = -Infinity
  for (let i = 0; i < probabilities.length; i++) {
    const p = probabilities[i] ?? 0
    if (p > most) {
      most = p
      best = i
    }
  }
  return best
}

/** A token drawn by `uniform` in [0, 1) from the truncated and renormalised distribution. */
export function drawToken(probabilities: Float32Array, uniform: number, { topK, topP }: Truncation): number {
  if (topP >= 1 && (topK <= 0 || topK >= probabilities.length)) return drawFromAll(probabilities, uniform)
  const { floor, equals, mass } = cutoff(probabilities, topK, topP)
  let left = uniform * mass
  let last = -1
  for (let token = 0, spare = equals; token < probabilities.length; token++) {
    const p = probabilities[token] ?? 0
    if (p < floor || p === 0 || (p === floor && spare-- <= 0)) continue
    left -= p
    if (left < 0) return token
    last = token
  }
  return lastOf(last)
}

/** Tokens whose mass is summed at once, in four independent sums: a single sum is a chain of dependent additions. */
const stride = 16

function drawFromAll(probabilities: Float32Array, uniform: number): number {
  const at = (token: number): number => probabilities[token] ?? 0
  let left = uniform
  let token = 0
  for (; token + stride <= probabilities.length; token += stride) {
    let [a, b, c, d] = [0, 0, 0, 0]
    for (let i = token; i < token + stride; i += 4) {
      a += at(i)
      b += at(i + 1)
      c += at(i + 2)
      d += at(i + 3)
    }
    const mass = a + b + c + d
    if (!(mass <= left)) break
    left -= mass
  }
  for (; token < probabilities.length; token++) {
    left -= at(token)
    if (left < 0) return token
  }
  return lastOf(probabilities.findLastIndex((p) => p > 0))
}

/** Rounding left some mass: it belongs to the last token with any. */
function lastOf(token: number): number {
  if (token < 0) throw new Error('no token has any probability')
  return token
}

/**
 * The probability of the last token kept, how many tokens of exactly that
 * probability are kept (the lowest ids), and the mass of all that are kept. With both limits
 * top-p applies to what top-k left, as in Hugging Face's warpers.
 */
function cutoff(
  probabilities: Float32Array,
  topK: number,
  topP: number,
): { floor: number; equals: number; mass: number } {
  const ranked = probabilities.slice()
  const limit = topK > 0 ? Math.min(topK, ranked.length) : ranked.length
  // A partial sort: partitions that lie wholly inside or outside are never ordered.
  const total = topK > 0 ? select(ranked, limit, Infinity).mass : 1
  const { count, mass } = select(ranked, limit, topP < 1 ? topP * total : Infinity)
  const kept = ranked.subarray(0, count)
  const floor = kept.reduce((least, p) => Math.min(least, p), Infinity)
  return { floor, equals: kept.reduce((sum, p) => (p === floor ? sum + 1 : sum), 0), mass }
}

/**
 * Reorders `values` so that its greatest come first: as few as reach `target` in sum, and at
 * most `limit`. Expected linear time: quickselect (Hoare 1961), by mass as well as by rank.
 */
function select(values: Float32Array, limit: number, target: number): { count: number; mass: number } {
  let start = 0
  let end = values.length
  let mass = 0 // of values before start, all of them kept
  while (start < end) {
    const pivot = values[start + ((end - start) >> 1)] ?? 0
    let greater = start // values[start…greater] > pivot, values[greater…lesser] = pivot
    let lesser = end
    let upper = 0
    for (let i = start; i < lesser;) {
      const value = values[i] ?? 0
      if (value > pivot) {
        values[i++] = values[greater] ?? 0
        values[greater++] = value
        upper += value
      } else if (value < pivot) {
        values[i] = values[--lesser] ?? 0
        values[lesser] = value
      } else i++
    }
    if (greater > start && (mass + upper >= target || greater >= limit)) {
      end = greater
      continue
    }
    mass += upper
    for (start = greater; start < lesser; start++) {
      if (start >= limit || mass >= target) return { count: start, mass }
      mass += pivot
    }
    if (start >= limit || mass >= target) return { count: start, mass }
  }
  return { count: start, mass }
}
