import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import { afterAll, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'attune-help-'))
afterAll(() => rmSync(scratch, { recursive: true }))

/** The npm scripts that run a file of ours, each with that file. */
const { scripts } = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))
const ours = Object.entries(scripts).flatMap(([name, line]): [string, string][] => {
  const file = /node --import tsx (scripts\/\S+\.ts)$/.exec(line)?.[1]
  return file === undefined ? [] : [[name, file]]
})

/** An environment in which nothing could be started, and in which what is written is seen. */
const env = {
  PATH: process.env.PATH,
  HOME: scratch,
  ATTUNE_DATA: join(scratch, 'data'),
  ATTUNE_ENGINE: 'none',
  DATABASE_URL: 'nowhere',
}
const run = (file: string, ...args: string[]) =>
  promisify(execFile)(process.execPath, ['--import', 'tsx', file, ...args], { cwd: root, env }).then(
    (said) => ({ code: 0, ...said }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, stdout, stderr }),
  )

/** Those that a help text lists, each with what it says of them. */
function listed(help: string): [string, string][] {
  const [, list = ''] = help.split('\nCommands:\n')
  return [...list.matchAll(/^ {2}(\S+).*? {2,}(\S.*)$/gm)]
    .map(([, name = '', summary = '']): [string, string] => [name, summary])
    .filter(([name]) => name !== 'help')
}

const typed = (name: string): string => (name === 'start' ? 'npm start --' : `npm run ${name} --`)

test('every command that npm can run is among those that are looked at', () => {
  expect(ours.map(([name]) => name)).toEqual(
    expect.arrayContaining([
      'start',
      'crowd',
      'study',
      'mutate',
      'bench',
      'model',
      'pretrain',
      'verify',
      'deploy',
      'admin',
    ]),
  )
})

describe.each(ours)('npm run %s', (name, file) => {
  test('says with --help how it and each of its commands is used, on the standard output, and starts nothing', async () => {
    const { code, stdout, stderr } = await run(file, '--help')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.startsWith(`Usage: ${typed(name)} `)).toBe(true)
    const helps = await Promise.all(
      listed(stdout).map(async (one) => [...one, await run(file, one[0], '--help')] as const),
    )
    for (const [command, summary, help] of helps) {
      expect(summary).toMatch(/\w/)
      expect(help, command).toMatchObject({ code: 0, stderr: '' })
      expect(help.stdout.startsWith(`Usage: ${typed(name)} ${command}`), help.stdout).toBe(true)
    }
    expect(readdirSync(scratch)).toEqual([])
  }, 300_000)

  test('refuses an option that there isn’t, with the one that may have been meant, and code 2', async () => {
    const { code, stdout, stderr } = await run(file, '--hlep')
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(
      /^unknown option '--hlep' \(Did you mean --help\?\)\nnpm (run \w+|start) -- --help says .*\n$/,
    )
  })
})
