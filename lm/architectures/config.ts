/** A Hugging Face `config.json`: which architecture it describes. */
import { z } from 'zod'
import type { Architecture } from './architecture.ts'
import { gpt2 } from './gpt2.ts'
import { gpt2Config, gpt2Schema } from './gpt2-config.ts'
import { firstIssues, parseJson } from '../files/json-file.ts'
import { llama } from './llama.ts'
import { llamaConfig, llamaFamilies } from './llama-config.ts'

type Json = Readonly<Record<string, unknown>>

/** By `model_type`. Each throws where a field is missing or asks for something that the family's graph does not implement. */
const families: Readonly<Record<string, (json: Json) => Architecture>> = {
  gpt2: (json) => gpt2(gpt2Config(gpt2Schema.parse(json)), json),
  ...Object.fromEntries(llamaFamilies.map((type) => [type, (json: Json) => llama(llamaConfig(type, json), json)])),
}

/**
 * Parses `config.json`'s text; throws, naming `path` and the fields, where the model is not supported.
 * `storedTensors`, how many tensors the weights' headers name, bounds the number of layers before any is built.
 */
export function parseConfig(text: string, path: string, storedTensors = Infinity): Architecture {
  const json = parseJson(text, path, z.record(z.string(), z.unknown()))
  const { model_type: type } = json
  const family = typeof type === 'string' && Object.hasOwn(families, type) ? families[type] : undefined
  if (!family)
    throw new Error(
      `${path}: model_type ${JSON.stringify(type)} is not supported; it must be one of ${Object.keys(families).join(', ')}`,
    )
  if (json.quantization_config)
    throw new Error(`${path}: quantised weights (quantization_config) are not read; import the model in full precision`)
  checkLayers(json, path, storedTensors)
  try {
    return family(json)
  } catch (error) {
    if (error instanceof z.ZodError)
      throw new Error(`${path} is not a supported ${String(type)} model: ${firstIssues(error)}`)
    throw error
  }
}

/** Every layer has tensors of its own: a configuration with more layers than tensors is not this model's. */
function checkLayers(json: Json, path: string, storedTensors: number): void {
  for (const field of ['n_layer', 'num_hidden_layers']) {
    const layers = json[field]
    if (typeof layers === 'number' && layers > storedTensors) {
      throw new Error(
        `${path}: ${field} is ${layers}, and the weights hold ${storedTensors} tensors in all; its configuration describes another model`,
      )
    }
  }
}

/** The text of `config.json` for weights of another type than they were read from. */
export function formatConfig({ config }: Architecture, dtype: 'float32' | 'float16' = 'float32'): string {
  // transformers 4 reads the older name.
  const { torch_dtype: _, ...rest } = config
  return JSON.stringify({ ...rest, dtype }, null, 2)
}
