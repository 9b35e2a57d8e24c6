/** Models: registering, importing, packing. */
import { z } from 'zod'
import { Uuid } from './pieces.ts'

/** Of a model's directory under MODELS_PATH, and its id. */
export const ModelName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, '1–64 characters of a–z, 0–9, ., _ and -, a letter or digit first')

export const StartImport = z.object({
  repo: z
    .string()
    .max(200)
    .regex(/^[A-Za-z0-9_][\w.-]*\/[A-Za-z0-9_][\w.-]*$/, 'a repository of the hub: owner/name'),
  /** A branch, a tag or a commit. */
  revision: z
    .string()
    .max(200)
    .regex(/^(?!.*\.\.)\w[\w./-]*$/, 'a branch, a tag or a commit')
    .default('main'),
  /** Opens a private or gated repository; it is not stored. */
  token: z
    .string()
    .regex(/^hf_\w+$/, 'a token of the hub: hf_…')
    .max(200)
    .optional(),
  /** The model's id; the repository's name by default. */
  name: ModelName.optional(),
})
export type StartImport = z.infer<typeof StartImport>

/** An import of a model from the hub; when it is done, there is a model whose id is its name. */
export const ModelImport = z.object({
  id: Uuid,
  name: z.string(),
  repo: z.string(),
  revision: z.string(),
  status: z.enum(['running', 'done', 'failed', 'stopped']),
  /** The file being downloaded. */
  file: z.string().nullable(),
  bytes: z.int(),
  /** 0 until it is known. */
  totalBytes: z.int(),
  /** Why it failed. */
  error: z.string().nullable(),
  createdAt: z.iso.datetime(),
})
export type ModelImport = z.infer<typeof ModelImport>

/** A size of a tensor, as wide as its column (int4). */
const axis = z
  .int()
  .min(-1)
  .max(2 ** 31 - 1)

export const ModelConfig = z.object({
  /** The seed's clients send one; the server chooses its own, which is in the response. */
  id: z.unknown().optional(),
  name: z.string().trim().min(1).max(200),
  type: z.enum(['nlp', 'vision', 'audio', 'multimodal', 'full-oni']),
  architecture: z.string().trim().min(1).max(200),
  parameters: z.int().min(0).default(0),
  inputShape: z.array(axis).max(8).default([]),
  outputShape: z.array(axis).max(8).default([]),
  hyperparameters: z.record(z.string().max(200), z.unknown()).default({}),
  checkpointPath: z.string().max(500).optional(),
  huggingfaceRepo: z.string().max(200).optional(),
})

/** … as it is registered. */
export const Model = ModelConfig.extend({ id: z.string(), createdAt: z.iso.datetime() })
export type ModelConfig = z.infer<typeof Model>

export const Download = z.object({
  downloadId: z.string(),
  status: z.enum(['preparing', 'ready', 'failed']),
  /** Seconds until it may be ready. */
  estimatedTime: z.int(),
  /** The archive's URL, once it is ready; it needs the token, too. */
  url: z.string().nullable(),
  sha256: z.string().nullable(),
  bytes: z.int().nullable(),
  /** Why it failed. */
  error: z.string().nullable(),
})
export type Download = z.infer<typeof Download>

/** A downloadable file of a model. */
export const ModelFile = z.object({ name: z.string(), bytes: z.int() })
export type ModelFile = z.infer<typeof ModelFile>

/** The prompts that a model is trained on. */
export const ModelPrompts = z.object({
  modelId: z.string(),
  /** How many there are. */
  prompts: z.int(),
  /** The first few. */
  examples: z.array(z.string()),
})
export type ModelPrompts = z.infer<typeof ModelPrompts>
