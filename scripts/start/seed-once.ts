/**
 * Creates the administrator and demo on the first start; a later start finds them, or creates an administrator if none
 * is left (rule S6).
 */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Pool } from '../../core/db/pool.ts'
import { seed } from '../../server/seed.ts'
import { writePrivate } from './secrets.ts'

const Credentials = z.object({ username: z.string(), password: z.string() })
export type AdminCredentials = z.infer<typeof Credentials>

export interface Seeded {
  /** Null if the database already had an administrator and admin.json isn't here: only they know. */
  admin: AdminCredentials | null
  isNew: boolean
}

export async function seedOnce(pool: Pool, dir: string, demo: boolean): Promise<Seeded> {
  const file = join(dir, 'admin.json')
  const kept = existsSync(file) ? Credentials.parse(JSON.parse(readFileSync(file, 'utf8'))) : null
  const admin = kept ?? { username: 'admin', password: randomBytes(12).toString('base64url') }
  // Before the account: a start that is killed in between finds the password again.
  if (!kept) writePrivate(file, admin)
  const { username, isNew } = await seed(pool, { adminPassword: admin.password, demo, preferred: admin.username })
  // Created by somebody else, who alone knows the password.
  if (!isNew && (!kept || kept.username !== username)) {
    rmSync(file)
    return { admin: null, isNew }
  }
  const made = { ...admin, username }
  if (username !== admin.username) writePrivate(file, made)
  return { admin: made, isNew }
}
