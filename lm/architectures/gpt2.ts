/**
 * GPT-2 (Radford et al. 2019) as a graph, under Hugging Face's parameter names
 * and layout: files store the projections as Conv1D, [in, out].
 * Left out: dropout, cross-attention.
 */
import {
  add,
  exactDiv,
  gather,
  gelu,
  layerNorm,
  matmul,
  reshape,
  slice,
  transpose,
  type Shape,
  type Tensor,
} from '../graph/index.ts'
import type { Architecture, Attention, Parameters } from './architecture.ts'
import { gpt2Json, type Gpt2Config } from './gpt2-config.ts'

/** `json` is the `config.json` that the configuration was read from; without one, it is made. */
export function gpt2(config: Gpt2Config, json: Readonly<Record<string, unknown>> = gpt2Json(config)): Architecture {
  const { vocabSize, context, width, layers, heads, eosToken, tied = true } = config
  const norm = (parameters: Parameters, x: Tensor, name: string): Tensor =>
    layerNorm(x, parameters.tensor(`${name}.weight`), parameters.tensor(`${name}.bias`), config.epsilon)

  /** One transformer block: x [B, T, C] -> [B, T, C]. */
  function block(parameters: Parameters, x: Tensor, layer: number, attention: Attention): Tensor {
    const at = `transformer.h.${layer}`
    const [q, k, v] = threeHeads(parameters.project(norm(parameters, x, `${at}.ln_1`), `${at}.attn.c_attn`), heads) // [B, T, 3C] -> 3 of [B, H, T, D]
    const attended = reshape(transpose(attention(layer, q, k, v), [0, 2, 1, 3]), x.shape) // [B, H, T, D] -> [B, T, C]
    const middle = add(x, parameters.project(attended, `${at}.attn.c_proj`))
    const inner = gelu(parameters.project(norm(parameters, middle, `${at}.ln_2`), `${at}.mlp.c_fc`)) // [B, T, inner]
    return add(middle, parameters.project(inner, `${at}.mlp.c_proj`))
  }

  return {
    config: json,
    vocabSize,
    context,
    width,
    layers,
    keyValueHeads: heads,
    headDepth: exactDiv(width, heads, 'n_embd by n_head'),
    eosTokens: eosToken === null ? [] : [eosToken],
    parameters: gpt2Parameters(config),
    storedInOut: (name) => /\.(c_attn|c_proj|c_fc)\.weight$/.test(name),
    slidingWindow: () => null,
    // The deviation of the two projections into the residual stream depends on depth (GPT-2's own scheme).
    initialDeviation: (name) => (name.endsWith('c_proj.weight') ? 0.02 / Math.sqrt(2 * layers) : 0.02),
    residual(parameters, ids, positions, attention) {
      const tokens = gather(parameters.tensor('transformer.wte.weight'), ids) // [B, T, C]
      let x = add(tokens, gather(parameters.tensor('transformer.wpe.weight'), positions))
      for (let layer = 0; layer < layers; layer++) x = block(parameters, x, layer, attention)
      return x
    },
    finalNorm: (parameters, x) => norm(parameters, x, 'transformer.ln_f'),
    head: (parameters, hidden) =>
      matmul(hidden, parameters.tensor(tied ? 'transformer.wte.weight' : 'lm_head.weight'), { transposeB: true }),
  }
}

function gpt2Parameters({ vocabSize, context, width, layers, inner, tied = true }: Gpt2Config): Map<string, Shape> {
  const shapes = new Map<string, Shape>([
    ['transformer.wte.weight', [vocabSize, width]],
    ['transformer.wpe.weight', [context, width]],
  ])
  const affine = (name: string, weight: Shape): void => {
    shapes.set(`${name}.weight`, weight).set(`${name}.bias`, weight.slice(-1))
  }
  for (let layer = 0; layer < layers; layer++) {
    const at = `transformer.h.${layer}`
    affine(`${at}.ln_1`, [width])
    affine(`${at}.attn.c_attn`, [width, 3 * width])
    affine(`${at}.attn.c_proj`, [width, width])
    affine(`${at}.ln_2`, [width])
    affine(`${at}.mlp.c_fc`, [width, inner])
    affine(`${at}.mlp.c_proj`, [inner, width])
  }
  affine('transformer.ln_f', [width])
  return tied ? shapes : shapes.set('lm_head.weight', [vocabSize, width])
}

/** Queries, keys and values of one product: [B, T, 3C] -> three of [B, H, T, D]. */
function threeHeads(qkv: Tensor, heads: number): [Tensor, Tensor, Tensor] {
  const [batch = 0, length = 0, width = 0] = qkv.shape
  const third = exactDiv(width, 3, 'queries, keys and values')
  const depth = exactDiv(third, heads, 'width by heads')
  const one = (i: number): Tensor =>
    transpose(reshape(slice(qkv, 2, i * third, (i + 1) * third), [batch, length, heads, depth]), [0, 2, 1, 3])
  return [one(0), one(1), one(2)]
}
