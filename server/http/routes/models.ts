import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { route } from './route.ts'
import { findImport, listImports } from '../../../core/db/imports.ts'
import { findModel, insertModel, listModels } from '../../../core/db/models.ts'
import { DownloadRequest, downloadIdOf } from '../../models/archives.ts'
import { AttuneError } from '../../../core/errors.ts'
import { fileOf, filesOf } from '../../models/exports.ts'
import {
  Download,
  limits,
  Model,
  ModelConfig,
  ModelFile,
  ModelImport,
  ModelPrompts,
  StartImport,
  Uuid,
} from '../../../core/protocol/index.ts'
import { promptsOf, setPrompts } from '../../sessions/prompts.ts'
import { uploadModel } from '../../models/uploads.ts'

const params = z.object({ modelId: z.string().min(1).max(200) })
const importParams = z.object({ importId: Uuid })
/** A path below MODELS_PATH that cannot escape it. */
const checkpointPath = z
  .string()
  .max(500)
  .regex(/^(?!.*\.\.)[\w@-][\w.@-]*(\/[\w@-][\w.@-]*)*$/, 'a relative path below MODELS_PATH')
  .optional()

const downloadParams = z.object({ downloadId: z.string().max(300) })

const packing = (path: string, summary: string) =>
  route('post', path, {
    access: 'models',
    summary,
    params,
    body: DownloadRequest,
    answer: Download,
    status: 202,
    cost: 20,
    handle: ({ deps, params: { modelId }, body }) => deps.downloads.ask(downloadIdOf(modelId, body)),
  })

const listing = (path: string) =>
  route('get', path, {
    access: 'read',
    summary: 'The models, newest first',
    answer: z.array(Model),
    handle: ({ deps }) => listModels(deps.pool),
  })

const single = (path: string) =>
  route('get', path, {
    access: 'read',
    summary: 'One model',
    params,
    answer: Model,
    async handle({ deps, params: { modelId } }) {
      const model = await findModel(deps.pool, modelId)
      if (model === null) throw new AttuneError('not-found', `there is no model ${modelId}`)
      return model
    },
  })

export const modelRoutes = [
  route('post', '/api/models', {
    access: 'models',
    summary: 'Register a model',
    body: ModelConfig.extend({ checkpointPath }),
    answer: Model,
    status: 201,
    async handle({ deps, caller, body }) {
      const slug = body.name
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, '-')
        .replace(/^-|-$/g, '')
        .slice(0, 40)
      const model = await insertModel(deps.pool, {
        ...body,
        id: `${slug || 'model'}-${randomBytes(4).toString('hex')}`,
        createdBy: caller.userId,
      })
      if (model === null) throw new Error('a fresh model id was taken')
      return model
    },
  }),
  listing('/api/models'),
  single('/api/models/:modelId'),
  listing('/api/weights/models'),
  single('/api/weights/models/:modelId'),
  route('post', '/api/weights/models/:modelId/upload', {
    access: 'models',
    summary:
      'Give a registered model its files: config.json, safetensors, tokenizer.json and the like, all in one body',
    params,
    upload: 'multipart/form-data',
    answer: Model,
    handle: ({ deps, params: { modelId }, stream }) => uploadModel(deps, modelId, stream),
  }),
  route('get', '/api/weights/models/:modelId/files', {
    access: 'models',
    summary: 'A model’s files',
    params,
    answer: z.array(ModelFile),
    handle: ({ deps, params: { modelId } }) => filesOf(deps, modelId),
  }),
  route('get', '/api/weights/models/:modelId/file', {
    access: 'models',
    summary: 'One of a model’s files; supports range requests, so that a download can resume',
    params,
    query: z.object({ name: z.string().max(200) }),
    answer: z.string(),
    bare: 'application/octet-stream',
    file: true,
    handle: ({ deps, params: { modelId }, query: { name } }) => fileOf(deps, modelId, name),
  }),
  packing('/api/weights/models/:modelId/download', 'Pack a model as one archive'),
  packing(
    '/api/weights/models/:modelId/convert/huggingface',
    'The same: every model here is one of Hugging Face’s form',
  ),
  route('get', '/api/weights/downloads/:downloadId/status', {
    access: 'models',
    summary: 'How far an archive is; one that is gone is packed again',
    params: downloadParams,
    answer: Download,
    handle: ({ deps, params: { downloadId } }) => deps.downloads.ask(downloadId),
  }),
  route('get', '/api/weights/downloads/:downloadId/file', {
    access: 'models',
    summary: 'An archive that is ready; ranges of it, too',
    params: downloadParams,
    answer: z.string(),
    bare: 'application/octet-stream',
    file: true,
    handle: ({ deps, params: { downloadId } }) => deps.downloads.file(downloadId),
  }),
  route('get', '/api/models/:modelId/prompts', {
    access: 'read',
    summary: 'What a model is asked when it is trained',
    params,
    answer: ModelPrompts,
    handle: ({ deps, params: { modelId } }) => promptsOf(deps, modelId),
  }),
  route('post', '/api/models/:modelId/prompts', {
    access: 'models',
    summary:
      'Say what a model is asked when it is trained: one {"prompt": …} a line, with an "answer" beside it where there is a reference answer',
    params,
    upload: 'application/x-ndjson',
    answer: ModelPrompts,
    handle: ({ deps, params: { modelId }, stream }) => setPrompts(deps, modelId, stream),
  }),
  route('post', '/api/imports', {
    access: 'models',
    summary: 'Import a model from the Hugging Face hub',
    body: StartImport,
    answer: ModelImport,
    status: 202,
    handle: ({ deps, caller, body }) => deps.imports.start(caller, body),
  }),
  route('get', '/api/imports', {
    access: 'models',
    summary: 'The latest imports, newest first',
    answer: z.array(ModelImport),
    handle: ({ deps }) => listImports(deps.pool, limits.pageItems),
  }),
  route('get', '/api/imports/:importId', {
    access: 'models',
    summary: 'How far an import is',
    params: importParams,
    answer: ModelImport,
    async handle({ deps, params: { importId } }) {
      const found = await findImport(deps.pool, importId)
      if (found === null) throw new AttuneError('not-found', `there is no import ${importId}`)
      return found
    },
  }),
  route('delete', '/api/imports/:importId', {
    access: 'models',
    summary: 'Stop an import; what has arrived is kept for the next one',
    params: importParams,
    answer: ModelImport,
    handle: ({ deps, params: { importId } }) => deps.imports.stop(importId),
  }),
]
