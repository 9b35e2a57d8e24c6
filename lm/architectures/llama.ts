/**
 * Llama (Touvron et al. 2023) and the families that are variations of it (Mistral, Qwen 2 and 3,
 * SmolLM) as a graph, under Hugging Face's parameter names and layout: weights are [out, in].
 * Left out: dropout, which none of them is trained with.
 */
import {
  add,
  gather,
  matmul,
  mul,
  reshape,
  rmsNorm,
  rotary,
  silu,
  transpose,
  type Shape,
  type Tensor,
} from '../graph/index.ts'
import type { Architecture, Attention, Parameters } from './architecture.ts'
import type { LlamaConfig } from './llama-config.ts'
import { rotations } from './rope.ts'

/** `json` is the `config.json` that the configuration was read from. */
export function llama(config: LlamaConfig, json: Readonly<Record<string, unknown>>): Architecture {
  const { vocabSize, context, width, layers, heads, keyValueHeads, headDepth, eosTokens } = config
  const norm = (parameters: Parameters, x: Tensor, name: string): Tensor =>
    rmsNorm(x, parameters.tensor(`${name}.weight`), config.epsilon)
  const embedding = 'model.embed_tokens.weight'

  /** x [B, T, C] -> [B, T, C]. */
  function block(
    parameters: Parameters,
    x: Tensor,
    layer: number,
    rotate: (x: Tensor) => Tensor,
    attention: Attention,
  ): Tensor {
    const at = `model.layers.${layer}`
    const normal = norm(parameters, x, `${at}.input_layernorm`)
    const project = (name: string, count: number): Tensor =>
      splitHeads(parameters.project(normal, `${at}.self_attn.${name}_proj`), count, headDepth)
    const placed = (name: 'q' | 'k', count: number): Tensor => {
      const states = project(name, count)
      return rotate(config.headNorms ? norm(parameters, states, `${at}.self_attn.${name}_norm`) : states)
    }
    const attended = joinHeads(
      attention(layer, placed('q', heads), placed('k', keyValueHeads), project('v', keyValueHeads)),
    )
    const middle = add(x, parameters.project(attended, `${at}.self_attn.o_proj`))
    const normal2 = norm(parameters, middle, `${at}.post_attention_layernorm`)
    const inner = mul(
      silu(parameters.project(normal2, `${at}.mlp.gate_proj`)),
      parameters.project(normal2, `${at}.mlp.up_proj`),
    ) // [B, T, inner]
    return add(middle, parameters.project(inner, `${at}.mlp.down_proj`))
  }

  return {
    config: json,
    vocabSize,
    context,
    width,
    layers,
    keyValueHeads,
    headDepth,
    eosTokens,
    parameters: llamaParameters(config),
    storedInOut: () => false,
    slidingWindow: (layer) => config.layerKinds[layer]?.window ?? null,
    initialDeviation: () => config.initialDeviation,
    residual(parameters, ids, positions, attention) {
      const { cos, sin } = rotations(config.rope, positions)
      let x = gather(parameters.tensor(embedding), ids) // [B, T, C]
      config.layerKinds.forEach((kind, layer) => {
        x = block(parameters, x, layer, (states) => (kind.rotary ? rotary(states, cos, sin) : states), attention)
      })
      return x
    },
    finalNorm: (parameters, x) => norm(parameters, x, 'model.norm'),
    head: (parameters, hidden) =>
      matmul(hidden, parameters.tensor(config.tied ? embedding : 'lm_head.weight'), { transposeB: true }),
  }
}

function llamaParameters(config: LlamaConfig): Map<string, Shape> {
  const { vocabSize, width, layers, heads, keyValueHeads, headDepth, inner, bias } = config
  const shapes = new Map<string, Shape>([['model.embed_tokens.weight', [vocabSize, width]]])
  const projection = (name: string, output: number, input: number, biased: boolean): void => {
    shapes.set(`${name}.weight`, [output, input])
    if (biased) shapes.set(`${name}.bias`, [output])
  }
  for (let layer = 0; layer < layers; layer++) {
    const at = `model.layers.${layer}`
    shapes.set(`${at}.input_layernorm.weight`, [width])
    projection(`${at}.self_attn.q_proj`, heads * headDepth, width, bias.queryKeyValue)
    projection(`${at}.self_attn.k_proj`, keyValueHeads * headDepth, width, bias.queryKeyValue)
    projection(`${at}.self_attn.v_proj`, keyValueHeads * headDepth, width, bias.queryKeyValue)
    projection(`${at}.self_attn.o_proj`, width, heads * headDepth, bias.output)
    if (config.headNorms)
      for (const name of ['q_norm', 'k_norm']) shapes.set(`${at}.self_attn.${name}.weight`, [headDepth])
    shapes.set(`${at}.post_attention_layernorm.weight`, [width])
    projection(`${at}.mlp.gate_proj`, inner, width, bias.mlp)
    projection(`${at}.mlp.up_proj`, inner, width, bias.mlp)
    projection(`${at}.mlp.down_proj`, width, inner, bias.mlp)
  }
  shapes.set('model.norm.weight', [width])
  return config.tied ? shapes : shapes.set('lm_head.weight', [vocabSize, width])
}

/** [B, T, H·D] -> [B, H, T, D]. */
function splitHeads(x: Tensor, heads: number, depth: number): Tensor {
  const [batch = 0, length = 0] = x.shape
  return transpose(reshape(x, [batch, length, heads, depth]), [0, 2, 1, 3])
}

/** [B, H, T, D] -> [B, T, H·D]. */
function joinHeads(x: Tensor): Tensor {
  const [batch = 0, heads = 0, length = 0, depth = 0] = x.shape
  return reshape(transpose(x, [0, 2, 1, 3]), [batch, length, heads * depth])
}
