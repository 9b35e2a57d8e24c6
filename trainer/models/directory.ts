/** A model as a Hugging Face directory: `config.json` and `model.safetensors`. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sameShape, type Shape } from '../graph/index.ts'
import type { Engine, StateStore } from '../engines/engine.ts'
import type { Architecture, HeldModel } from './architecture.ts'
import { formatConfig, parseConfig } from './config.ts'
import { readSafetensors, writeAtomically, writeSafetensors } from './safetensors.ts'

/** Weights by Hugging Face name, as float32. */
export type Weights = Map<string, { shape: Shape; data: Float32Array }>
export interface Model { architecture: Architecture; weights: Weights }

/** Reads a directory. Throws, naming file and tensor, where a weight is missing or misshapen. */
export async function readModel(directory: string): Promise<Model> {
  const configPath = join(directory, 'config.json')
  const architecture = parseConfig(await readFile(configPath, 'utf8'), configPath)
  const path = join(directory, 'model.safetensors')
  const file = await readSafetensors(path)
  const weights: Weights = new Map()
  for (const [name, shape] of architecture.parameters) {
    // GPT2Model checkpoints, such as OpenAI's own, leave the prefix out.
    const stored = file.has(name) ? name : name.replace('transformer.', '')
    if (!file.has(stored)) throw new Error(`${path}: no tensor ${name}`)
    const tensor = file.float32(stored)
    if (!sameShape(tensor.shape, shape)) throw new Error(`${path}: tensor ${name} is [${tensor.shape}], the configuration says [${shape}]`)
    weights.set(name, tensor)
  }
  return { architecture, weights }
}

/** Writes a directory that transformers' `from_pretrained` reads; each file is replaced as a whole. */
export async function writeModel(directory: string, { architecture, weights }: Model, dtype: 'F32' | 'F16' = 'F32'): Promise<void> {
  await mkdir(directory, { recursive: true })
  await writeSafetensors(join(directory, 'model.safetensors'), weights, { dtype })
  const json = formatConfig(architecture, dtype === 'F16' ? 'float16' : 'float32')
  await writeAtomically(join(directory, 'config.json'), new TextEncoder().encode(`${json}\n`))
}

/** Puts a model's weights into an engine's states under `prefix`. */
export function loadWeights(states: StateStore, { architecture, weights }: Model, prefix = ''): void {
  for (const [name, shape] of architecture.parameters) {
    const tensor = weights.get(name)
    if (!tensor) throw new Error(`the model has no weight ${name}`)
    states.set(prefix + name, shape, tensor.data)
  }
}

/** A copy of the weights that an engine holds. */
export async function saveWeights(engine: Engine, { architecture, prefix = '' }: HeldModel): Promise<Model> {
  const weights: Weights = new Map()
  for (const [name, shape] of architecture.parameters) weights.set(name, { shape, data: await engine.states.get(prefix + name) })
  return { architecture, weights }
}
