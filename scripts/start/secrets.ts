/**
 * The secrets of this installation: generated once, kept in a file that only its
 * owner can read. Those in the environment take precedence.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { errorText, StartFault } from './fault.ts'

const Secrets = z.object({
  /** Signs access tokens. */
  JWT_SECRET: z.string().min(32),
  /** Encrypts personal data at rest: 32 bytes in hex. */
  DATA_KEY: z.string().regex(/^[0-9a-f]{64}$/),
  /** Of the embedded Postgres and Redis. */
  postgresPassword: z.string().min(16),
  redisPassword: z.string().min(16),
})
export type Secrets = z.infer<typeof Secrets>

export function loadSecrets(dir: string, env: NodeJS.ProcessEnv): Secrets {
  const { JWT_SECRET, DATA_KEY } = env
  return { ...kept(join(dir, 'secrets.json')), ...(JWT_SECRET && { JWT_SECRET }), ...(DATA_KEY && { DATA_KEY }) }
}

function kept(file: string): Secrets {
  if (existsSync(file)) {
    try {
      return Secrets.parse(JSON.parse(readFileSync(file, 'utf8')))
    } catch (error) {
      throw new StartFault(
        `${file} can't be used (${errorText(error)}): restore it from a backup; without it nobody's stored email can be read`,
      )
    }
  }
  const hex = (bytes: number) => randomBytes(bytes).toString('hex')
  const secrets = { JWT_SECRET: hex(32), DATA_KEY: hex(32), postgresPassword: hex(16), redisPassword: hex(16) }
  writePrivate(file, secrets)
  return secrets
}

/** Written atomically, and readable by its owner alone. */
export function writePrivate(file: string, content: unknown): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}
