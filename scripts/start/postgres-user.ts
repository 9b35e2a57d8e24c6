/**
 * Postgres refuses to run as root. Started by root (a container, usually), it
 * runs as the user `postgres` where there is one, else as `nobody`; nothing is
 * added to the system.
 */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { StartFault } from './fault.ts'

export interface PostgresUser {
  uid?: number
  gid?: number
  /** The command line that runs a binary as that user. */
  wrap: (command: string, args: string[]) => { command: string; args: string[]; uid?: number; gid?: number }
}

const setpriv = ['/usr/bin/setpriv', '/bin/setpriv']

/** Who runs Postgres, given the data folder and the folders that it must reach. */
export function postgresUser(dataDir: string, reach: string[]): PostgresUser {
  if (process.getuid?.() !== 0) return { wrap: (command, args) => ({ command, args }) }
  const { uid, gid } = existsSync(dataDir) ? owner(dataDir) : systemUser()
  const closed = [dirname(dataDir), ...reach].map((path) => firstClosed(path, uid, gid)).find((path) => path !== null)
  if (!closed) return { uid, gid, wrap: (command, args) => ({ command, args, uid, gid }) }
  // A folder above is private to root (/root itself, often): keep the one
  // capability that reads past it.
  const tool = setpriv.find((path) => existsSync(path))
  if (!tool) {
    throw new StartFault(
      `Postgres can't run as root, and ${closed} is closed to other users: move Attune out of it, start it as a normal user, or set DATABASE_URL to a Postgres of your own`,
    )
  }
  const options = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--inh-caps=+dac_override', '--ambient-caps=+dac_override']
  return { uid, gid, wrap: (command, args) => ({ command: tool, args: [...options, '--', command, ...args] }) }
}

function owner(path: string): { uid: number; gid: number } {
  const { uid, gid } = statSync(path)
  return uid === 0 ? systemUser() : { uid, gid }
}

function systemUser(): { uid: number; gid: number } {
  accessSync('/etc/passwd', constants.R_OK)
  const users = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':'))
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = users.find((fields) => fields[0] === name) ?? []
    if (uid && gid) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new StartFault(
    "Postgres can't run as root, and this system has neither a user 'postgres' nor 'nobody': start Attune as a normal user, or set DATABASE_URL to a Postgres of your own",
  )
}

/** The first folder on the way to `path` that the user can't pass; null where all are open. */
function firstClosed(path: string, uid: number, gid: number): string | null {
  const parents: string[] = []
  for (let at = path; at !== dirname(at); at = dirname(at)) if (existsSync(at)) parents.unshift(at)
  for (const at of parents) {
    const { mode, uid: ownerId, gid: groupId } = statSync(at)
    const bit = ownerId === uid ? 0o100 : groupId === gid ? 0o010 : 0o001
    if ((mode & bit) === 0) return at
  }
  return null
}
