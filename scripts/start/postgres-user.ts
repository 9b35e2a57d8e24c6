/**
 * Postgres refuses to run as root. Started by root (a container, usually), it runs as the owner of
 * its data, initially the user `postgres` if there is one, else `nobody`; nothing is added to the
 * system, and it keeps none of root's privileges.
 */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { StartFault } from './fault.ts'

/** Undefined: this process's own user. */
export type PostgresUser = { uid: number; gid: number } | undefined

/** The user who runs Postgres on this data folder, which may not exist yet. */
export function postgresUser(dataDir: string): PostgresUser {
  if (process.getuid?.() !== 0) return undefined
  const { uid, gid } = existsSync(dataDir) ? statSync(dataDir) : { uid: 0, gid: 0 }
  return uid === 0 ? systemUser() : { uid, gid }
}

function systemUser(): { uid: number; gid: number } {
  accessSync('/etc/passwd', constants.R_OK)
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = users.find((fields) => fields[0] === name) ?? []
    if (uid && gid) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new StartFault(
    "Postgres can't run as root, and this system has neither a user 'postgres' nor 'nobody': start Attune as a normal user, or set DATABASE_URL to a Postgres of your own",
  )
}

/** The first folder on the way to `path`, itself included, that the user can't enter; null if all are accessible. */
export function firstClosed(path: string, user: PostgresUser): string | null {
  const parents: string[] = []
  for (let at = path; at !== dirname(at); at = dirname(at)) if (existsSync(at)) parents.unshift(at)
  return parents.find((at) => !allows(at, user, 0o1)) ?? null
}

/** Whether its mode lets the user do this: 4 reads, 2 writes, 1 executes or enters. */
export function allows(path: string, user: PostgresUser, what: number): boolean {
  if (!user) return true
  const { mode, uid, gid } = statSync(path)
  const shift = uid === user.uid ? 6 : gid === user.gid ? 3 : 0
  return ((mode >> shift) & what) === what
}
