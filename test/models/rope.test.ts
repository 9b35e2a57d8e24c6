import { describe, expect, test } from 'vitest'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { frequencies, ropeContext, ropeSchema } from '../../lm/architectures/rope.ts'
import { llamaConfig } from '../../lm/architectures/llama-config.ts'

// See test/fixtures/README.md: what transformers computes at the sizes of published models.
const golden = z
  .array(z.object({ parameters: ropeSchema, frequencies: z.array(z.number()), attention: z.number() }))
  .parse(JSON.parse(readFileSync(new URL('../fixtures/rope.json', import.meta.url), 'utf8')))

const base = {
  vocab_size: 8,
  hidden_size: 16,
  intermediate_size: 16,
  num_hidden_layers: 8,
  num_attention_heads: 2,
  max_position_embeddings: 100,
}

describe('rotary embeddings', () => {
  test.each(golden)(
    '$parameters.rope_type has the frequencies that transformers has',
    ({ parameters, frequencies: wanted, attention }) => {
      const found = frequencies({ parameters, depth: 128, positions: 131_072 })
      wanted.forEach((frequency, i) =>
        expect(Math.abs((found.values[i] ?? NaN) / frequency - 1), `pair ${i}`).toBeLessThan(5e-7),
      )
      expect(found.attention).toBeCloseTo(attention, 12)
    },
  )

  test('a dynamic one reaches further than its training, the others say themselves how far they reach', () => {
    for (const { parameters } of golden) {
      expect(ropeContext({ parameters, depth: 128, positions: 4_096 })).toBe(
        parameters.rope_type === 'dynamic' ? 8_192 : 4_096,
      )
    }
  })

  test('what transformers 4 wrote means what 5 writes, and a training length said outside counts more', () => {
    const old = llamaConfig('llama', {
      ...base,
      rope_theta: 500,
      original_max_position_embeddings: 20,
      rope_scaling: { type: 'yarn', factor: 5 },
    })
    const now = llamaConfig('llama', {
      ...base,
      rope_parameters: { rope_theta: 500, rope_type: 'yarn', factor: 5, original_max_position_embeddings: 20 },
    })
    expect(frequencies(old.rope)).toEqual(frequencies(now.rope))
    expect(frequencies(old.rope)).not.toEqual(
      frequencies(llamaConfig('llama', { ...base, rope_theta: 500, rope_scaling: { type: 'yarn', factor: 5 } }).rope),
    )
  })
})

describe('a family fills in what its file leaves out as transformers does', () => {
  const windows = (type: Parameters<typeof llamaConfig>[0], more: object) =>
    llamaConfig(type, { ...base, ...more }).layerKinds.map((kind) => kind.window)

  test('Mistral sees 4,096 tokens back, unless its file says null', () => {
    expect(windows('mistral', { num_key_value_heads: 2 })).toEqual(Array(8).fill(4_096))
    expect(windows('mistral', { num_key_value_heads: 2, sliding_window: null })).toEqual(Array(8).fill(null))
  })

  test('Qwen slides only where use_sliding_window says so: in the upper layers, or where layer_types says', () => {
    const more = { num_key_value_heads: 2, sliding_window: 7, max_window_layers: 6 }
    expect(windows('qwen2', more)).toEqual(Array(8).fill(null))
    expect(windows('qwen3', { ...more, use_sliding_window: true })).toEqual([...Array<null>(6).fill(null), 7, 7])
    const types = ['sliding_attention', ...Array<string>(7).fill('full_attention')]
    expect(windows('qwen2', { ...more, use_sliding_window: true, layer_types: types })).toEqual([
      7,
      ...Array<null>(7).fill(null),
    ])
  })

  test('every fourth layer of SmolLM3 has no positions, and slides where any does', () => {
    const { layerKinds, tied, rope, eosTokens } = llamaConfig('smollm3', {
      ...base,
      num_key_value_heads: 1,
      use_sliding_window: true,
      sliding_window: 9,
    })
    expect(layerKinds.map((kind) => kind.rotary)).toEqual([true, true, true, false, true, true, true, false])
    expect(layerKinds.map((kind) => kind.window)).toEqual([null, null, null, 9, null, null, null, 9])
    expect([tied, rope.parameters.rope_theta, eosTokens]).toEqual([true, 2_000_000, [128_001]])
  })

  test('end tokens may be one, several or none, and heads are shared only where the file says so', () => {
    const eos = (token: unknown) => llamaConfig('llama', { ...base, eos_token_id: token }).eosTokens
    expect([eos(5), eos([5, 6]), eos(null), eos(undefined)]).toEqual([[5], [5, 6], [], [2]])
    expect(llamaConfig('llama', base).keyValueHeads).toBe(2)
    expect(llamaConfig('mistral', { ...base, num_key_value_heads: null }).keyValueHeads).toBe(2)
    expect(llamaConfig('qwen3', { ...base, num_attention_heads: 32 })).toMatchObject({
      keyValueHeads: 32,
      headDepth: 128,
    })
  })
})
