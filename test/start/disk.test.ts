/** A disk that is full, and free again, below a running system. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Health } from '../../server/http/health.ts'
import { openPool } from '../../core/db/pool.ts'
import { openLog } from '../../scripts/start/log.ts'
import { freePort } from '../../scripts/start/ports.ts'
import { vote } from '../server/attune.ts'
import { npmStart, patience, processesOf, root, running, until } from './npm-start.ts'

test('a log whose disk is always full never throws, and says it', () => {
  const troubles: string[] = []
  const log = openLog('/dev/full', (message) => troubles.push(message))
  for (let i = 0; i < 3; i++) log.write('lost')
  log.close()
  expect(troubles).toHaveLength(3)
  expect(troubles[0]).toMatch(/^\/dev\/full can't be written \(ENOSPC/)
})

// A small file system of its own needs root.
if (process.getuid?.() === 0)
  describe('a full disk', () => {
    let disk: string
    beforeAll(() => {
      disk = mkdtempSync(join(tmpdir(), 'attune-disk-'))
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=320m', 'tmpfs', disk])
    })
    afterAll(() => {
      execFileSync('umount', ['-l', disk])
      rmSync(disk, { recursive: true })
    })

    /** Leaves not a page free: what is freed meanwhile is taken, too. */
    let fills = 0
    function fill(): void {
      for (let tries = 0; tries < 20 && statfsSync(disk).bavail > 0; tries++) {
        try {
          writeFileSync(
            join(disk, `fill-${fills++}`),
            Buffer.alloc(Math.max(1, statfsSync(disk).bavail) * statfsSync(disk).bsize),
          )
        } catch {
          // As much as went in is in.
        }
      }
    }
    const free = () =>
      readdirSync(disk)
        .filter((name) => name.startsWith('fill-'))
        .forEach((name) => rmSync(join(disk, name)))

    test('a log on a full disk loses lines, says so, and goes on when there is space', () => {
      const troubles: string[] = []
      const path = join(disk, 'some.log')
      const log = openLog(path, (message) => troubles.push(message))
      log.write('before')
      fill()
      for (let i = 0; i < 5_000; i++) log.write(`during ${i} ${'x'.repeat(80)}`)
      expect(troubles[0]).toMatch(/some\.log can't be written \(ENOSPC.*free some space/)
      free()
      log.write('after')
      log.close()
      expect(readFileSync(path, 'utf8')).toMatch(
        /^before\n[^]*\(\d+ lines are lost: they could not be written\)\nafter\n$/,
      )
      rmSync(path)
    })

    test(
      'a start on a full disk says so in one line',
      async () => {
        fill()
        const start = npmStart(['--port', String(await freePort()), '--data', join(disk, 'never'), '--no-demo'])
        expect(await start.ended).toBe(1)
        free()
        expect(
          start
            .output()
            .split('\n')
            .filter((line) => line.startsWith('attune: ')),
        ).toHaveLength(1)
        expect(start.output()).toMatch(/disk is full|No space left/)
        rmSync(join(disk, 'never'), { recursive: true, force: true })
      },
      patience,
    )

    test(
      'does not end npm start: it says so, no acknowledged vote is lost, the run pauses with the reason and goes on when it is resumed',
      async () => {
        const dir = join(disk, 'data')
        const log = join(disk, 'npm-start.log')
        const port = await freePort()
        const url = `http://127.0.0.1:${port}`
        // Its own output goes to the full disk, too, as with "npm start > log".
        const shell = spawn(
          'sh',
          [
            '-c',
            'exec "$0" --import tsx scripts/start/main.ts "$@" > "$OUT" 2>&1',
            process.execPath,
            '--port',
            String(port),
            '--data',
            dir,
          ],
          { cwd: root, env: { ...process.env, OUT: log, LOG_LEVEL: 'debug' } },
        )
        const said = () => (existsSync(log) ? readFileSync(log, 'utf8') : '')
        const call = async (method: string, path: string, body?: unknown, token?: string) => {
          const answer = await fetch(url + path, {
            method,
            headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
            ...(body !== undefined && { body: JSON.stringify(body) }),
          })
          return (await answer.json()) as {
            success: boolean
            error?: string
            message?: string
            data: Record<string, unknown>
          }
        }
        try {
          await until('ready', () => said().includes('\nready') || shell.exitCode !== null, patience)
          expect(shell.exitCode).toBeNull()
          const { username, password } = JSON.parse(readFileSync(join(dir, 'admin.json'), 'utf8')) as {
            username: string
            password: string
          }
          const admin = String((await call('POST', '/api/auth/login', { username, password })).data.token)
          const rater = String((await call('POST', '/api/auth/guest', {})).data.token)
          const status = async () => (await call('GET', '/api/training/demo', undefined, admin)).data
          const open = async () =>
            (
              (await call('GET', '/api/training/demo/samples', undefined, admin)).data as unknown as {
                id: string
                status: string
                myVote?: unknown
              }[]
            ).filter((sample) => sample.status === 'open')
          await until('answers are open', async () => (await open()).length > 0)

          const acknowledged: string[] = []
          const cast = async (sampleId: string) => {
            const sent = vote(sampleId)
            const answer = await call('POST', '/api/feedback', sent, rater).catch(() => null)
            if (answer?.success) acknowledged.push(sent.id)
            else if (answer) expect(answer.error).toBe('unavailable')
          }
          const samples = await open()
          for (const { id } of samples.slice(0, 3)) await cast(id)
          expect(acknowledged).toHaveLength(3)
          fill()
          for (const { id } of samples.slice(3)) await cast(id)
          let reason: unknown = null
          // Its step can't be stored; whatever anybody frees meanwhile is filled again.
          await until(
            'the run pauses',
            async () => {
              fill()
              // Postgres comes and goes while its disk is full.
              const run: Record<string, unknown> | undefined = await status().catch(() => undefined)
              reason = run?.pauseReason
              return run?.status === 'paused'
            },
            patience,
          )
          expect(reason).toMatch(/disk is full.*resume/)
          expect(readdirSync(dir, { recursive: true }).filter((name) => String(name).endsWith('.tmp'))).toEqual([])
          await sleep(3_000)
          expect(shell.exitCode).toBeNull()

          free()
          const health = (): Promise<Partial<Health>> =>
            fetch(`${url}/health`).then(
              (answer) => answer.json() as Promise<Health>,
              () => ({}),
            )
          await until('all is well but for the run', async () => {
            const { status: how, components, standstills, pausedRuns } = await health()
            return (
              how === 'degraded' &&
              !Object.values(components ?? {}).includes('down') &&
              standstills?.length === 0 &&
              pausedRuns?.map(({ sessionId }) => sessionId).join() === 'demo'
            )
          })
          await until('it logs', () => statSizeGrows(join(dir, 'logs', 'server.log'), url))
          const pool = openPool(
            `postgres://attune:${(JSON.parse(readFileSync(join(dir, 'secrets.json'), 'utf8')) as { postgresPassword: string }).postgresPassword}@127.0.0.1:${(JSON.parse(readFileSync(join(dir, 'ports.json'), 'utf8')) as { postgres: number }).postgres}/attune`,
            () => undefined,
            1,
          )
          const { rows } = await pool.query('select id from feedback where id = any($1)', [acknowledged])
          await pool.end()
          expect(rows).toHaveLength(acknowledged.length)
          expect((await call('POST', '/api/training/demo/resume', {}, admin)).success).toBe(true)
          await until('the step is made', async () => Number((await status()).currentStep) > 0, patience)
          await until('all is well', async () => (await health()).status === 'healthy')
          expect(said()).toMatch(/! trainer: .*disk is full|! .*No space left|! .*can't be written/)
        } finally {
          free()
          const all = processesOf(dir)
          shell.kill('SIGINT')
          if (shell.exitCode === null) await new Promise((resolve) => shell.once('exit', resolve))
          expect(running(all)).toEqual([])
        }
      },
      3 * patience,
    )
  })

async function statSizeGrows(path: string, url: string): Promise<boolean> {
  const before = readFileSync(path).length
  await fetch(`${url}/api/status`)
  await sleep(200)
  return readFileSync(path).length > before
}
