/** Rule S6: an installation is never without an administrator. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { seedOnce } from '../../scripts/start/seed-once.ts'
import type { SignedIn } from '../../core/protocol/index.ts'
import { seed } from '../../server/seed.ts'
import { admin, adminPassword, ask, call, openWorld, request, type TestServer, type World } from './attune.ts'

let world: World
let server: TestServer
beforeEach(async () => {
  await world?.close()
  world = await openWorld()
  server = await world.server()
})
afterAll(() => world.close())

const password = 'a good password'
const register = (username: string) =>
  ask<SignedIn>(server, 'POST', '/api/auth/register', { body: { username, password } })
const give = (by: SignedIn, to: object, role: string) =>
  request(server, 'POST', '/api/auth/role', { token: by.token, body: { ...to, role } })
const administrators = async () =>
  (
    await world.pool.query<{ username: string }>(
      `select username from users where role = 'admin' and erased_at is null`,
    )
  ).rows.map(({ username }) => username)
/** As older versions let it come about. */
const loseAll = async () => {
  await world.pool.query('alter table users disable trigger user')
  await world.pool.query(
    `update users set username = 'erased ' || id, skeleton = null, password_hash = null, erased_at = now() where role = 'admin'`,
  )
  await world.pool.query('alter table users enable trigger user')
}

test('S6: the only administrator can neither erase itself nor give its role up', async () => {
  const boss = await admin(server)
  expect(await call(server, 'DELETE', '/api/auth/me', { token: boss.token })).toMatchObject({
    status: 409,
    body: { error: 'conflict', message: expect.stringContaining('only administrator') },
  })
  expect(await give(boss, { username: 'admin' }, 'contributor')).toMatchObject({
    status: 403,
    body: { message: expect.stringContaining('you are the only one') },
  })
  expect((await admin(server)).user.role).toBe('admin')
})

test('S6: an administrator who is not the only one can leave, and then the other one cannot', async () => {
  const boss = await admin(server)
  const second = await register('Second')
  await give(boss, { userId: second.user.userId }, 'admin')
  await ask(server, 'DELETE', '/api/auth/me', { token: boss.token })
  await request(server, 'DELETE', '/api/auth/me', { token: second.token }).expect(409)
  expect(await administrators()).toEqual(['Second'])
})

test('S6: administrators who erase themselves, or take each other’s role, at the same moment leave one', async () => {
  const boss = await admin(server)
  const others = await Promise.all(['One', 'Two', 'Three'].map(register))
  for (const { user } of others) await give(boss, { userId: user.userId }, 'admin')
  const everybody = [boss, ...others]
  const answers = await Promise.all([
    ...everybody.map(({ token }) => call(server, 'DELETE', '/api/auth/me', { token })),
    ...everybody.map((by, i) =>
      give(by, { userId: everybody[(i + 1) % everybody.length]!.user.userId }, 'contributor'),
    ),
  ])
  expect(answers.filter(({ status }) => status >= 500)).toEqual([])
  expect((await administrators()).length).toBeGreaterThan(0)
})

test('S6: nor by SQL', async () => {
  await expect(world.pool.query(`update users set role = 'contributor'`)).rejects.toThrow(
    'never without an administrator',
  )
  await expect(world.pool.query(`delete from users where role = 'admin'`)).rejects.toThrow()
})

test('S6: seeding looks for the role, not for the name', async () => {
  const boss = await admin(server)
  const second = await register('Second')
  await give(boss, { userId: second.user.userId }, 'admin')
  await give(second, { username: 'admin' }, 'contributor')
  expect(await seed(world.pool, { adminPassword: 'another one', demo: true })).toEqual({
    username: 'Second',
    isNew: false,
  })
  await loseAll()
  // Somebody without the role has the name.
  expect(await seed(world.pool, { adminPassword: 'another one', demo: true })).toEqual({
    username: 'admin 2',
    isNew: true,
  })
  expect(
    await ask<SignedIn>(server, 'POST', '/api/auth/login', { body: { username: 'admin 2', password: 'another one' } }),
  ).toMatchObject({ user: { role: 'admin' } })
})

test('S6: a start gives an installation that lost its administrators one again, and admin.json says which', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'attune-admin-'))
  try {
    writeFileSync(join(dir, 'admin.json'), JSON.stringify({ username: 'admin', password: adminPassword }))
    expect(await seedOnce(world.pool, dir, true)).toEqual({
      admin: { username: 'admin', password: adminPassword },
      isNew: false,
    })
    await loseAll()
    expect(await seedOnce(world.pool, dir, true)).toEqual({
      admin: { username: 'admin', password: adminPassword },
      isNew: true,
    })
    expect((await admin(server)).user.role).toBe('admin')
    // An administrator of another name, whose password isn't the one in the file.
    const second = await register('Second')
    await give(await admin(server), { userId: second.user.userId }, 'admin')
    await give(second, { username: 'admin' }, 'contributor')
    expect(await seedOnce(world.pool, dir, true)).toEqual({ admin: null, isNew: false })
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('S6: npm run admin makes an administrator where there is none, and one more where its password is lost', async () => {
  const run = async (...options: string[]) =>
    (
      await promisify(execFile)(process.execPath, ['--import', 'tsx', 'scripts/admin/main.ts', ...options], {
        env: { ...process.env, DATABASE_URL: world.databaseUrl },
      })
    ).stdout
  expect(await run()).toContain('"admin" is an administrator already')
  await loseAll()
  const [, username, made] = /^(.+) \/ (\S+) /.exec(await run()) ?? []
  expect(await ask<SignedIn>(server, 'POST', '/api/auth/login', { body: { username, password: made } })).toMatchObject({
    user: { role: 'admin' },
  })
  expect(await run('--another')).toMatch(/^admin 2 \/ \S+ /)
  expect((await administrators()).sort()).toEqual(['admin', 'admin 2'])
})
