import { hashPassword } from './auth/password.ts'
import { insertModel } from './db/models.ts'
import { transaction, type Pool } from './db/pool.ts'
import { insertSession } from './db/sessions.ts'
import { findUserByName, insertUser } from './db/users.ts'
import { TrainingConfig, type TrainingConfigInput } from './protocol.ts'

export interface SeedOptions {
  /** Of the account `admin`, where this makes it; an existing one keeps its own. */
  adminPassword: string
  /** Whether there is to be the demo model with its session. */
  demo: boolean
  /** The demo session's configuration, where it is to differ from the usual one. */
  configuration?: TrainingConfigInput
}

/** What a fresh installation has: an admin, and the demo. Running it again changes nothing. */
export async function seed(pool: Pool, { adminPassword, demo, configuration = {} }: SeedOptions): Promise<{ username: string; isNew: boolean }> {
  return transaction(pool, async (client) => {
    // Processes that start together make one admin.
    await client.query(`select pg_advisory_xact_lock(hashtext('attune:seed'))`)
    const before = await findUserByName(client, ADMIN)
    const admin = before ?? (await insertUser(client, {
      username: ADMIN, passwordHash: await hashPassword(adminPassword), role: 'admin', guest: false, email: null, wallet: null,
    }))
    if (demo) {
      await insertModel(client, { ...demoModel, createdBy: admin.id })
      await insertSession(client, {
        id: DEMO,
        title: 'Teach a small model to be kind and useful',
        modelId: DEMO,
        userId: admin.id,
        status: 'active',
        configuration: TrainingConfig.parse(configuration),
      })
    }
    return { username: ADMIN, isNew: before === null }
  })
}

const ADMIN = 'admin'
const DEMO = 'demo'

const demoModel = {
  id: DEMO,
  name: 'Attune demo',
  type: 'nlp' as const,
  architecture: 'gpt2',
  parameters: 1_462_720,
  inputShape: [],
  outputShape: [],
  hyperparameters: {},
  checkpointPath: DEMO,
}
