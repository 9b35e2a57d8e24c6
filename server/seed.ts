import { hashPassword } from './auth/password.ts'
import { oneAtATime } from '../core/db/advisory-lock.ts'
import { insertModel } from '../core/db/models.ts'
import { transaction, type Db, type Pool } from '../core/db/pool.ts'
import { insertSession } from '../core/db/sessions.ts'
import { administrators, giveSkeletons, insertUser, isTaken, type UserRow } from '../core/db/users.ts'
import { TrainingConfig, type TrainingConfigInput } from '../core/protocol/index.ts'

export interface SeedOptions {
  /** Of the administrator, if one is created; an existing one keeps their own. */
  adminPassword: string
  /** Whether to create the demo model with its session. */
  demo: boolean
  /** The demo session's configuration, if it is to differ from the default. */
  configuration?: TrainingConfigInput
  /** The administrator to report, if there are several. */
  preferred?: string
  /** Whether to create another administrator even if there is one: nobody knows the password any more. */
  another?: boolean
}

/**
 * What a fresh installation has: an administrator, and the demo. Running it again changes nothing,
 * except that if nobody has the role, somebody gets it (rule S6): it is the role that counts, not the
 * name.
 */
export async function seed(
  pool: Pool,
  { adminPassword, demo, configuration = {}, preferred, another = false }: SeedOptions,
): Promise<{ username: string; isNew: boolean }> {
  return transaction(pool, async (client) => {
    // Processes that start concurrently create one admin.
    await oneAtATime(client, 'attune:seed')
    await giveSkeletons(client)
    const before = await administrators(client)
    const isNew = another || before.length === 0
    const admin = isNew
      ? await makeAdmin(client, adminPassword)
      : (before.find(({ username }) => username === preferred) ?? before[0]!)
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
    return { username: admin.username, isNew }
  })
}

/** Called "admin", or "admin 2" and so on if somebody has, or once had, that name. */
async function makeAdmin(db: Db, password: string): Promise<UserRow> {
  const passwordHash = await hashPassword(password)
  for (let n = 1; ; n++) {
    const username = n === 1 ? 'admin' : `admin ${n}`
    if (await isTaken(db, username, null)) continue
    return insertUser(db, { username, passwordHash, role: 'admin', guest: false, email: null, wallet: null })
  }
}

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
