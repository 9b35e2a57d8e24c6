/** A model as a Hugging Face directory: `config.json`, safetensors, and the files beside them. */
import { cp, mkdir, readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Engine, StateReader, StateStore } from '../engines/engine.ts'
import type { Architecture, HeldModel } from '../architectures/architecture.ts'
import { formatConfig, parseConfig } from '../architectures/config.ts'
import { ifThere } from './disk.ts'
import { readEndTokens } from '../text/end-tokens.ts'
import { readText } from './json-file.ts'
import { heldShape, toHeld } from '../architectures/projection-layout.ts'
import { mergedWeight } from '../architectures/lora.ts'
import { writeSafetensors } from './safetensors-file.ts'
import { writeAtomically } from './safetensors.ts'
import {
  countTensors,
  matchWeights,
  openWeights,
  type Weights,
  type WeightFiles,
  type WeightTensor,
} from './weights.ts'

export interface Model {
  architecture: Architecture
  weights: Weights
}

/**
 * Opens a directory. Throws, naming file and tensor, where a weight is missing or misshapen; values are read on
 * demand.
 */
export async function readModel(directory: string): Promise<Model & { weights: WeightFiles }> {
  const configPath = join(directory, 'config.json')
  const json = await ifThere(readText(configPath))
  if (json === null) throw new Error(`${directory} is not a model directory: it has no config.json`)
  // The configuration is trusted only as far as the headers confirm it, so these are read first.
  const stored = await openWeights(directory)
  const architecture = parseConfig(json, configPath, countTensors(stored))
  const said = await readEndTokens(directory, architecture.config)
  return {
    architecture: { ...architecture, eosTokens: said.length > 0 ? said : architecture.eosTokens },
    weights: matchWeights(stored, architecture),
  }
}

/** Writes a directory that transformers' `from_pretrained` reads; each file is replaced as a whole. */
export async function writeModel(
  directory: string,
  { architecture, weights }: Model,
  dtype: 'F32' | 'F16' = 'F32',
): Promise<void> {
  await writeWeights(directory, architecture, (name) => weightOf(weights, name).data, dtype)
}

/** The same for weights held as engine states, one at a time, with adapters merged. */
export async function writeHeldModel(directory: string, states: StateReader, model: HeldModel): Promise<void> {
  await writeWeights(directory, model.architecture, (name) => mergedWeight(states, model, name), 'F32')
}

/** Copies a directory's other files: tokenizer, generation settings, prompts, licence. */
export async function copyCompanions(from: string, to: string): Promise<void> {
  if (resolve(from) === resolve(to)) return
  await mkdir(to, { recursive: true })
  for (const { name } of (await readdir(from, { withFileTypes: true })).filter((entry) => entry.isFile())) {
    if (!/^config\.json$|\.safetensors(\.index\.json)?$|\.(bin|pt|pth|ckpt|pkl|tmp)$/.test(name))
      await cp(join(from, name), join(to, name))
  }
}

/** Loads a model's weights into an engine's states under `prefix`. */
export function loadWeights(states: StateStore, { architecture, weights }: Model, prefix = ''): void {
  for (const name of architecture.parameters.keys())
    states.set(prefix + name, heldShape(architecture, name), toHeld(architecture, name, weightOf(weights, name).data))
}

/** A copy of the weights that an engine holds, with adapters merged. */
export async function saveWeights(engine: Engine, model: HeldModel): Promise<Model> {
  const { architecture } = model
  const weights = new Map<string, WeightTensor>()
  for (const [name, shape] of architecture.parameters)
    weights.set(name, { shape, data: await mergedWeight(engine.states, model, name) })
  return { architecture, weights }
}

async function writeWeights(
  directory: string,
  architecture: Architecture,
  read: (name: string) => Float32Array | Promise<Float32Array>,
  dtype: 'F32' | 'F16',
): Promise<void> {
  await mkdir(directory, { recursive: true })
  await writeSafetensors(join(directory, 'model.safetensors'), architecture.parameters, read, { dtype })
  const json = formatConfig(architecture, dtype === 'F16' ? 'float16' : 'float32')
  await writeAtomically(join(directory, 'config.json'), new TextEncoder().encode(`${json}\n`))
}

function weightOf(weights: Weights, name: string): WeightTensor {
  const tensor = weights.get(name)
  if (!tensor) throw new Error(`the model has no weight ${name}`)
  return tensor
}
