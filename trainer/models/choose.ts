/** Choosing one token from a distribution: pure functions of probabilities and one uniform number. */

export interface Truncation {
  /** Keep only the k likeliest tokens; 0 keeps all. */
  topK: number
  /** Keep the smallest set of likeliest tokens with at least this mass (Holtzman et al. 2020); 1 keeps all. */
  topP: number
}

/** The likeliest token, the first of equals. */
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
  const all = topP >= 1 && (topK <= 0 || topK >= probabilities.length)
  return all ? drawFromAll(probabilities, uniform) : drawFromSome(probabilities, uniform, kept(probabilities, topK, topP))
}

function drawFromAll(probabilities: Float32Array, uniform: number): number {
  let left = uniform
  let last = -1
  for (let i = 0; i < probabilities.length; i++) {
    const p = probabilities[i] ?? 0
    if (p <= 0) continue
    left -= p
    if (left < 0) return i
    last = i
  }
  // Rounding left a crumb of the mass: it belongs to the last token that has any.
  return expectToken(last)
}

function drawFromSome(probabilities: Float32Array, uniform: number, tokens: readonly number[]): number {
  const mass = tokens.reduce((sum, token) => sum + (probabilities[token] ?? 0), 0)
  let left = uniform * mass
  for (const token of tokens) {
    left -= probabilities[token] ?? 0
    if (left < 0) return token
  }
  return expectToken(tokens.at(-1) ?? -1)
}

/** Tokens that survive, likeliest first, lower ids first among equals. */
function kept(probabilities: Float32Array, topK: number, topP: number): number[] {
  // Tokens below this share of what may be left out cannot together reach it, so they need no sorting.
  const floor = topP < 1 ? (1 - topP) / probabilities.length : 0
  const candidates: number[] = []
  for (let i = 0; i < probabilities.length; i++) if ((probabilities[i] ?? 0) > floor) candidates.push(i)
  candidates.sort((a, b) => (probabilities[b] ?? 0) - (probabilities[a] ?? 0) || a - b)
  if (topK > 0) candidates.length = Math.min(candidates.length, topK)
  // With both, the mass is of what topK left, as Hugging Face's warpers have it.
  const total = topK > 0 ? candidates.reduce((sum, token) => sum + (probabilities[token] ?? 0), 0) : 1
  let mass = 0
  const count = candidates.findIndex(token => (mass += probabilities[token] ?? 0) >= topP * total)
  return count < 0 ? candidates : candidates.slice(0, count + 1)
}

function expectToken(token: number): number {
  if (token < 0) throw new Error('no token has any probability')
  return token
}
