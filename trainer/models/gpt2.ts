/**
 * GPT-2 (Radford et al. 2019) as a graph, under Hugging Face's parameter names
 * and layout: Conv1D weights are [in, out], the head is the tied embedding.
 * Left out: dropout, cross-attention, untied heads.
 */
import {
  add, and, constant, div, equal, exactDiv, gather, gelu, greater, layerNorm, linear, matmul, not, range, reshape, slice, softmax, tokenLogProbs, transpose, where,
  type Graph, type Shape, type Tensor,
} from '../graph/index.ts'
import type { Gpt2Config } from './config.ts'

/** What a forward pass reads: ids, positions and mask are int32 [B, T]; mask 1 marks a real token. */
export interface Tokens { ids: Tensor; positions: Tensor; mask: Tensor }

/** Parameter names and shapes, in a fixed order. A prefix puts a copy beside others in the engine, e.g. `reference/`. */
export function gpt2Parameters({ vocabSize, context, width, layers, inner }: Gpt2Config, prefix = ''): Map<string, Shape> {
  const shapes: [string, Shape][] = [['transformer.wte.weight', [vocabSize, width]], ['transformer.wpe.weight', [context, width]]]
  for (let layer = 0; layer < layers; layer++) {
    const at = `transformer.h.${layer}`
    shapes.push(
      [`${at}.ln_1.weight`, [width]], [`${at}.ln_1.bias`, [width]],
      [`${at}.attn.c_attn.weight`, [width, 3 * width]], [`${at}.attn.c_attn.bias`, [3 * width]],
      [`${at}.attn.c_proj.weight`, [width, width]], [`${at}.attn.c_proj.bias`, [width]],
      [`${at}.ln_2.weight`, [width]], [`${at}.ln_2.bias`, [width]],
      [`${at}.mlp.c_fc.weight`, [width, inner]], [`${at}.mlp.c_fc.bias`, [inner]],
      [`${at}.mlp.c_proj.weight`, [inner, width]], [`${at}.mlp.c_proj.bias`, [width]],
    )
  }
  shapes.push(['transformer.ln_f.weight', [width]], ['transformer.ln_f.bias', [width]])
  return new Map(shapes.map(([name, shape]) => [prefix + name, shape]))
}

/** The graph inputs of a [B, T] batch: `ids`, `positions`, `mask`; `tokenFeeds` makes their values. */
export function tokenInputs(graph: Graph, batch: number, length: number): Tokens {
  const at = (name: string) => graph.input(name, [batch, length], 'int32')
  return { ids: at('ids'), positions: at('positions'), mask: at('mask') }
}

/** Feeds for `tokenInputs`: a row's positions are its mask's running count minus one, so padding may stand on either side. */
export function tokenFeeds(ids: Int32Array, mask: Int32Array, length: number): { ids: Int32Array; positions: Int32Array; mask: Int32Array } {
  if (mask.length !== ids.length) throw new Error(`tokenFeeds: ${ids.length} ids and ${mask.length} mask entries`)
  exactDiv(ids.length, length, 'tokenFeeds: ids by length')
  const positions = new Int32Array(mask.length)
  for (let i = 0, count = 0; i < mask.length; i++) {
    if (i % length === 0) count = 0
    count += mask[i] ?? 0
    positions[i] = Math.max(0, count - 1)
  }
  return { ids, positions, mask }
}

/** Final hidden states, after the last layer norm: [B, T, C]. Heads (language, value, reward) read these. */
export function gpt2Hidden(graph: Graph, config: Gpt2Config, tokens: Tokens, prefix = ''): Tensor {
  const parameter = parametersOf(graph, config, prefix)
  const visible = attentionMask(tokens.mask)
  let x = add(gather(parameter('wte.weight'), tokens.ids), gather(parameter('wpe.weight'), tokens.positions)) // [B, T, C]
  for (let layer = 0; layer < config.layers; layer++) {
    x = block(x, config, name => parameter(`h.${layer}.${name}`), (q, k, v) => attend(q, k, v, visible))
  }
  return layerNorm(x, parameter('ln_f.weight'), parameter('ln_f.bias'), config.epsilon)
}

/** Next-token logits of hidden states: [..., C] -> [..., V]. */
export function gpt2Logits(graph: Graph, config: Gpt2Config, hidden: Tensor, prefix = ''): Tensor {
  return matmul(hidden, parametersOf(graph, config, prefix)('wte.weight'), { transposeB: true })
}

/**
 * Log-probability of each next token, and the logits it comes from (divided by `temperature`):
 * entry t of the result, [B, T-1], is log p(ids[t+1] | ids[..t]).
 */
export function gpt2LogProbs(graph: Graph, config: Gpt2Config, hidden: Tensor, ids: Tensor, prefix = '',
  temperature = 1): { logProbs: Tensor; logits: Tensor } {
  const length = ids.shape[1] ?? 0
  const raw = gpt2Logits(graph, config, slice(hidden, 1, 0, length - 1), prefix) // [B, T, C] -> [B, T-1, V]
  const logits = temperature === 1 ? raw : div(raw, temperature)
  return { logits, logProbs: tokenLogProbs(logits, slice(ids, 1, 1, length)) }
}

/** One transformer block; `attention` maps queries, keys and values [B, H, T, D] to what they attend to. */
export function block(x: Tensor, config: Gpt2Config, parameter: (name: string) => Tensor,
  attention: (q: Tensor, k: Tensor, v: Tensor) => Tensor): Tensor {
  const [batch = 0, length = 0] = x.shape
  const depth = exactDiv(config.width, config.heads, 'width by heads')
  const normal = layerNorm(x, parameter('ln_1.weight'), parameter('ln_1.bias'), config.epsilon)
  const qkv = linear(normal, parameter('attn.c_attn.weight'), parameter('attn.c_attn.bias')) // [B, T, 3C]
  const heads = transpose(reshape(qkv, [batch, length, 3, config.heads, depth]), [2, 0, 3, 1, 4]) // -> [3, B, H, T, D]
  const [q, k, v] = [0, 1, 2].map(i => reshape(slice(heads, 0, i, i + 1), [batch, config.heads, length, depth]))
  if (!q || !k || !v) throw new Error('block: queries, keys and values are three')
  const attended = reshape(transpose(attention(q, k, v), [0, 2, 1, 3]), [batch, length, config.width]) // [B, H, T, D] -> [B, T, C]
  const middle = add(x, linear(attended, parameter('attn.c_proj.weight'), parameter('attn.c_proj.bias')))
  const normal2 = layerNorm(middle, parameter('ln_2.weight'), parameter('ln_2.bias'), config.epsilon)
  const inner = gelu(linear(normal2, parameter('mlp.c_fc.weight'), parameter('mlp.c_fc.bias'))) // [B, T, inner]
  return add(middle, linear(inner, parameter('mlp.c_proj.weight'), parameter('mlp.c_proj.bias')))
}

/** Scaled dot-product attention: q [B, H, T, D], k and v [B, H, S, D], bias broadcast to [B, H, T, S] -> [B, H, T, D]. */
export function attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor): Tensor {
  const alpha = 1 / Math.sqrt(q.shape[3] ?? 1)
  const scores = add(matmul(q, k, { transposeB: true, alpha }), bias) // [B, H, T, S]
  return matmul(softmax(scores), v)
}

/** 0 where row t may look at column s (s ≤ t and a real token), else a large negative: mask [B, T] -> [B, 1, T, T]. */
export function attentionMask(mask: Tensor): Tensor {
  const [batch = 0, length = 0] = mask.shape
  const rows = reshape(range(length), [length, 1])
  const future = greater(reshape(range(length), [1, length]), rows)
  const real = reshape(equal(mask, 1), [batch, 1, 1, length])
  return where(and(real, not(future)), constant(0), constant(unseen))
}

/** Added to a score that must not count. Finite, so that a row of padding alone stays finite. */
export const unseen = -1e9

/** Looks parameters up by their name under `transformer.`. */
export function parametersOf(graph: Graph, config: Gpt2Config, prefix: string): (name: string) => Tensor {
  const shapes = gpt2Parameters(config, prefix)
  return name => {
    const full = `${prefix}transformer.${name}`
    const shape = shapes.get(full)
    if (!shape) throw new Error(`GPT-2 has no parameter ${full}`)
    return graph.state(full, shape)
  }
}
