/** A GPT-2 model as a Hugging Face directory: `config.json` and `model.safetensors`. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sameShape, type Shape } from '../graph/index.ts'
import type { Engine, StateStore } from '../engines/engine.ts'
import { formatConfig, parseConfig, type Gpt2Config } from './config.ts'
import { gpt2Parameters } from './gpt2.ts'
import { readSafetensors, writeAtomically, writeSafetensors } from './safetensors.ts'

/** Weights by Hugging Face name, as float32. */
export type Weights = Map<string, { shape: Shape; data: Float32Array }>
export interface Gpt2Model { config: Gpt2Config; weights: Weights }

/** Reads a directory. Throws, naming file and tensor, where a weight is missing or misshapen. */
export async function readModel(directory: string): Promise<Gpt2Model> {
  const configPath = join(directory, 'config.json')
  const config = parseConfig(await readFile(configPath, 'utf8'), configPath)
  const path = join(directory, 'model.safetensors')
  const file = await readSafetensors(path)
  const weights: Weights = new Map()
  for (const [name, shape] of gpt2Parameters(config)) {
    // GPT2Model checkpoints, such as OpenAI's own, leave the prefix out.
    const stored = file.has(name) ? name : name.replace('transformer.', '')
    if (!file.has(stored)) throw new Error(`${path}: no tensor ${name}`)
    const tensor = file.float32(stored)
    if (!sameShape(tensor.shape, shape)) throw new Error(`${path}: tensor ${name} is [${tensor.shape}], the configuration says [${shape}]`)
    weights.set(name, tensor)
  }
  return { config, weights }
}

/** Writes a directory that transformers' `from_pretrained` reads; each file is replaced as a whole. */
export async function writeModel(directory: string, { config, weights }: Gpt2Model, dtype: 'F32' | 'F16' = 'F32'): Promise<void> {
  await mkdir(directory, { recursive: true })
  await writeSafetensors(join(directory, 'model.safetensors'), weights, { dtype })
  const json = formatConfig(config, dtype === 'F16' ? 'float16' : 'float32')
  await writeAtomically(join(directory, 'config.json'), new TextEncoder().encode(`${json}\n`))
}

/** Puts a model's weights into an engine's states under `prefix`. */
export function loadWeights(states: StateStore, { config, weights }: Gpt2Model, prefix = ''): void {
  for (const [name, shape] of gpt2Parameters(config)) {
    const tensor = weights.get(name)
    if (!tensor) throw new Error(`the model has no weight ${name}`)
    states.set(prefix + name, shape, tensor.data)
  }
}

/** A copy of the weights that an engine holds under `prefix`. */
export async function saveWeights(engine: Engine, config: Gpt2Config, prefix = ''): Promise<Gpt2Model> {
  const weights: Weights = new Map()
  for (const [name, shape] of gpt2Parameters(config)) weights.set(name, { shape, data: await engine.states.get(prefix + name) })
  return { config, weights }
}
