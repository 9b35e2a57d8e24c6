import type { ClientBase } from 'pg'
import type { Db } from './pool.ts'
import type { ModelConfig } from '../protocol/index.ts'

export interface NewModel extends Omit<ModelConfig, 'createdAt'> {
  createdBy: string | null
}

const columns = `id, name, type, architecture, parameters, input_shape, output_shape, hyperparameters, checkpoint_path, huggingface_repo, created_at`

/** Adds a model; if the id is taken, leaves that model as it is and returns null. */
export async function insertModel(db: Db, model: NewModel): Promise<ModelConfig | null> {
  const { rows } = await db.query<Row>(
    `insert into models (id, name, type, architecture, parameters, input_shape, output_shape, hyperparameters, checkpoint_path, huggingface_repo, created_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (id) do nothing returning ${columns}`,
    [
      model.id,
      model.name,
      model.type,
      model.architecture,
      model.parameters,
      model.inputShape,
      model.outputShape,
      model.hyperparameters,
      model.checkpointPath ?? null,
      model.huggingfaceRepo ?? null,
      model.createdBy,
    ],
  )
  return rows.map(toModel)[0] ?? null
}

export interface FoundModel extends Pick<
  ModelConfig,
  'architecture' | 'parameters' | 'inputShape' | 'outputShape' | 'hyperparameters'
> {
  /** The directory under MODELS_PATH, and the model's id. */
  name: string
  huggingfaceRepo: string | null
}

/**
 * Registers a model's directory: as a new model, or as the weights of one that was registered without; null if that one
 * has others.
 */
export async function adoptModel(db: Db, found: FoundModel): Promise<ModelConfig | null> {
  const { rows } = await db.query<Row>(
    `insert into models (id, name, type, architecture, parameters, input_shape, output_shape, hyperparameters, checkpoint_path, huggingface_repo)
     values ($1, $1, 'nlp', $2, $3, $4, $5, $6, $1, $7)
     on conflict (id) do update set
       architecture = excluded.architecture, parameters = excluded.parameters, input_shape = excluded.input_shape, output_shape = excluded.output_shape,
       hyperparameters = excluded.hyperparameters, checkpoint_path = excluded.checkpoint_path, huggingface_repo = coalesce(excluded.huggingface_repo, models.huggingface_repo)
     where models.checkpoint_path is null or models.checkpoint_path = excluded.checkpoint_path
     returning ${columns}`,
    [
      found.name,
      found.architecture,
      found.parameters,
      found.inputShape,
      found.outputShape,
      found.hyperparameters,
      found.huggingfaceRepo,
    ],
  )
  return rows.map(toModel)[0] ?? null
}

/** The directories of models under MODELS_PATH. */
export async function listModelPaths(db: Db): Promise<string[]> {
  const { rows } = await db.query<{ path: string }>(
    'select distinct checkpoint_path as path from models where checkpoint_path is not null',
  )
  return rows.map(({ path }) => path)
}

export async function findModel(db: Db, id: string): Promise<ModelConfig | null> {
  const { rows } = await db.query<Row>(`select ${columns} from models where id = $1`, [id])
  return rows.map(toModel)[0] ?? null
}

/** Locks a model against changes, and makes new runs of it wait, until the transaction ends. */
export async function lockModel(client: ClientBase, id: string): Promise<void> {
  await client.query('select from models where id = $1 for update', [id])
}

/** Newest first. */
export async function listModels(db: Db): Promise<ModelConfig[]> {
  const { rows } = await db.query<Row>(`select ${columns} from models order by created_at desc, id`)
  return rows.map(toModel)
}

export async function countModels(db: Db): Promise<number> {
  const { rows } = await db.query<{ count: number }>('select count(*) as count from models')
  return rows[0]!.count
}

interface Row {
  id: string
  name: string
  type: ModelConfig['type']
  architecture: string
  parameters: number
  input_shape: number[]
  output_shape: number[]
  hyperparameters: Record<string, unknown>
  checkpoint_path: string | null
  huggingface_repo: string | null
  created_at: Date
}

const toModel = (row: Row): ModelConfig => ({
  id: row.id,
  name: row.name,
  type: row.type,
  architecture: row.architecture,
  parameters: row.parameters,
  inputShape: row.input_shape,
  outputShape: row.output_shape,
  hyperparameters: row.hyperparameters,
  ...(row.checkpoint_path !== null && { checkpointPath: row.checkpoint_path }),
  ...(row.huggingface_repo !== null && { huggingfaceRepo: row.huggingface_repo }),
  createdAt: row.created_at.toISOString(),
})
