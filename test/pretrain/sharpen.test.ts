import { describe, expect, it } from 'vitest'
import { DEMO } from '../../scripts/pretrain/model-files.ts'
import { sharpened } from '../../scripts/pretrain/sharpen.ts'
import { gpt2 } from '../../lm/architectures/gpt2.ts'
import { initialModel } from '../../lm/architectures/init.ts'

describe('sharpening', () => {
  it('multiplies the last norm and nothing else, in a copy', () => {
    const model = initialModel(gpt2({ ...DEMO, layers: 1, width: 8, inner: 32, vocabSize: 16 }), 1)
    const { weights } = sharpened(model, 1.25)
    for (const name of model.weights.keys()) {
      const data = model.weights.get(name)?.data ?? []
      const factor = name.startsWith('transformer.ln_f.') ? 1.25 : 1
      expect([...(weights.get(name)?.data ?? [])], name).toEqual([...data].map((value) => factor * value))
    }
    expect(() => sharpened(model, 0.5)).toThrow('factor')
  })
})
