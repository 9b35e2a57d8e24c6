/**
 * The largest sizes that a `config.json` may claim. The stored tensors confirm all but the context; these limits keep
 * arithmetic exact and database columns wide enough.
 */
import { z } from 'zod'

export const sizeLimits = {
  /** Tokens of the vocabulary. */
  vocabulary: 2 ** 24,
  /** Longest sequence, tokens, scaled rotations included. */
  context: 2 ** 24,
  /** Any width of a layer: of the residual stream, a head, the MLP. */
  width: 2 ** 20,
  layers: 2 ** 12,
  heads: 2 ** 12,
} as const

const upTo = (most: number) => z.int().positive().max(most)

export const sizes = {
  vocabulary: upTo(sizeLimits.vocabulary),
  context: upTo(sizeLimits.context),
  width: upTo(sizeLimits.width),
  layers: upTo(sizeLimits.layers),
  heads: upTo(sizeLimits.heads),
}
