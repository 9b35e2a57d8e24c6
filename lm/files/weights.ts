/** The weights of a Hugging Face directory: one safetensors file, or several listed by an index. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { sameShape, type Shape } from '../graph/index.ts'
import type { Architecture } from '../architectures/architecture.ts'
import { readJson } from './json-file.ts'
import { openSafetensors } from './safetensors-file.ts'
import type { SafetensorsFile } from './safetensors.ts'

export interface WeightTensor {
  shape: Shape
  data: Float32Array
}

/**
 * Weights by Hugging Face name, as float32. A directory's weights are read from disk at every access, so that a large
 * model is never in memory twice.
 */
export interface Weights {
  get(name: string): WeightTensor | undefined
  keys(): Iterable<string>
}

/** The weights by their headers, before any value is read. */
export interface WeightFiles extends Weights {
  /** Stored types of the tensors, e.g. `BF16`. */
  readonly dtypes: readonly string[]
  /** Paths of the safetensors files. */
  readonly paths: readonly string[]
}

const single = 'model.safetensors'
const index = 'model.safetensors.index.json'

/** The headers of a directory's weights. */
export interface StoredWeights {
  path: string
  files: SafetensorsFile[]
  fileOf: (name: string) => SafetensorsFile | undefined
}

/** How many tensors there are. */
export const countTensors = ({ files }: StoredWeights): number =>
  files.reduce((sum, file) => sum + file.names.length, 0)

/**
 * Checks every header against the architecture. Throws, naming file and tensor, where a tensor is missing,
 * has the wrong shape or is unknown.
 */
export function matchWeights({ path, files, fileOf }: StoredWeights, architecture: Architecture): WeightFiles {
  const stored = new Map<string, string>() // our name -> the file's
  for (const [name, shape] of architecture.parameters) {
    // Checkpoints without a head, such as OpenAI's own GPT-2, omit the first part of the name.
    const found = [name, name.replace(/^(transformer|model)\./, '')].find((candidate) => fileOf(candidate))
    const file = found === undefined ? undefined : fileOf(found)
    if (!file || found === undefined) throw new Error(`${path}: no tensor ${name}`)
    checkTensor(file, found, shape)
    stored.set(name, found)
  }
  const known = new Set(stored.values())
  for (const file of files) {
    const strange = file.names.find((name) => !known.has(name) && !isIgnored(name, architecture))
    if (strange !== undefined)
      throw new Error(
        `${file.path}: tensor ${strange} is not one of this model's parameters; its configuration describes another model`,
      )
  }
  return {
    paths: files.map((file) => file.path),
    dtypes: [...new Set([...known].map((name) => fileOf(name)?.dtype(name) ?? ''))].sort(),
    keys: () => stored.keys(),
    get(name) {
      const own = stored.get(name)
      return own === undefined ? undefined : fileOf(own)?.float32(own)
    },
  }
}

function checkTensor(file: SafetensorsFile, name: string, wanted: Shape): void {
  const shape = file.shape(name)
  if (!sameShape(shape, wanted))
    throw new Error(`${file.path}: tensor ${name} is [${shape}], the configuration says [${wanted}]`)
  const dtype = file.dtype(name)
  if (!['F32', 'F16', 'BF16'].includes(dtype))
    throw new Error(`${file.path}: tensor ${name} is ${dtype}; only F32, F16 and BF16 weights are read`)
}

/** What old files store beside the parameters: masks, frequencies, and a tied head's copy of the embedding. */
function isIgnored(name: string, { parameters }: Architecture): boolean {
  return (
    /(^|\.)(attn\.(masked_)?bias|rotary_emb\.inv_freq)$/.test(name) ||
    (name === 'lm_head.weight' && !parameters.has(name))
  )
}

/** Reads the headers of a directory's weights. Throws, naming the file, where one is missing or damaged. */
export async function openWeights(directory: string): Promise<StoredWeights> {
  const names = await readdir(directory)
  if (names.includes(single)) {
    const path = join(directory, single)
    const file = await openSafetensors(path)
    return { path, files: [file], fileOf: (name) => (file.has(name) ? file : undefined) }
  }
  if (names.includes(index)) return openShards(directory)
  const pickle = names.find((name) => /\.(bin|pt|pth|ckpt|pkl)$/.test(name))
  if (pickle !== undefined) {
    throw new Error(
      `${join(directory, pickle)} is a pickle, which can run code when it is loaded, so it is not read; save the model as safetensors (save_pretrained does)`,
    )
  }
  throw new Error(`${directory} has neither ${single} nor ${index}`)
}

const indexSchema = z.looseObject({
  weight_map: z.record(
    z.string(),
    z.string().regex(/^[\w.-]+\.safetensors$/, 'the name of a safetensors file in the same directory'),
  ),
})

async function openShards(directory: string): Promise<StoredWeights> {
  const path = join(directory, index)
  const { weight_map: map } = await readJson(path, indexSchema)
  const files = new Map<string, SafetensorsFile>()
  for (const [tensor, name] of Object.entries(map)) {
    const file = files.get(name) ?? (await openSafetensors(join(directory, name)))
    files.set(name, file)
    if (!file.has(tensor)) throw new Error(`${file.path}: no tensor ${tensor}, which ${index} says it holds`)
  }
  return { path, files: [...files.values()], fileOf: (name) => files.get(map[name] ?? '') }
}
