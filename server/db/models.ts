import type { Db } from './pool.ts'
import type { ModelConfig } from '../protocol.ts'

export interface NewModel extends Omit<ModelConfig, 'createdAt'> {
  createdBy: string | null
}

const columns = `id, name, type, architecture, parameters, input_shape, output_shape, hyperparameters, checkpoint_path, huggingface_repo, created_at`

/** Adds a model; one that has the id already stays as it is, and null is returned. */
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

export async function findModel(db: Db, id: string): Promise<ModelConfig | null> {
  const { rows } = await db.query<Row>(`select ${columns} from models where id = $1`, [id])
  return rows.map(toModel)[0] ?? null
}

/** Newest first. */
export async function listModels(db: Db): Promise<ModelConfig[]> {
  const { rows } = await db.query<Row>(`select ${columns} from models order by created_at desc, id`)
  return rows.map(toModel)
}

export async function countModels(db: Db): Promise<number> {
  const { rows } = await db.query<{ count: number }>('select count(*) as count from models')
  return rows[0].count
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
