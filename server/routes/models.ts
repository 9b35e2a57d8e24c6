import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { route } from './route.ts'
import { findModel, insertModel, listModels } from '../db/models.ts'
import { AttuneError } from '../errors.ts'
import { ModelConfig } from '../protocol.ts'

const params = z.object({ modelId: z.string().min(1).max(200) })
const Model = ModelConfig.extend({ id: z.string(), createdAt: z.iso.datetime() })
/** A path below MODELS_PATH: no way out of it. */
const checkpointPath = z.string().max(500).regex(/^(?!.*\.\.)[\w.@-]+(\/[\w.@-]+)*$/, 'a relative path below MODELS_PATH').optional()

const listing = (path: string) =>
  route('get', path, { access: 'read', summary: 'The models, newest first', answer: z.array(Model), handle: ({ core }) => listModels(core.pool) })

const single = (path: string) =>
  route('get', path, {
    access: 'read',
    summary: 'One model',
    params,
    answer: Model,
    async handle({ core, params: { modelId } }) {
      const model = await findModel(core.pool, modelId)
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
    async handle({ core, caller, body }) {
      const slug = body.name.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '').slice(0, 40)
      const model = await insertModel(core.pool, { ...body, id: `${slug || 'model'}-${randomBytes(4).toString('hex')}`, createdBy: caller.userId })
      if (model === null) throw new Error('a fresh model id was taken')
      return model
    },
  }),
  listing('/api/models'),
  single('/api/models/:modelId'),
  listing('/api/weights/models'),
  single('/api/weights/models/:modelId'),
]
