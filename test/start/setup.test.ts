import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const place = mkdtempSync(join(tmpdir(), 'attune-setup-'))
afterAll(() => rmSync(place, { recursive: true, force: true }))

/** A project whose dependencies are folders: npm ci needs no network for them. */
function project(...names: string[]): void {
  const write = (file: string, content: object) => writeFileSync(join(place, file), JSON.stringify(content))
  mkdirSync(join(place, 'scripts'), { recursive: true })
  cpSync(join(root, 'scripts/setup.mjs'), join(place, 'scripts/setup.mjs'))
  write('package.json', {
    name: 'p',
    version: '1.0.0',
    dependencies: Object.fromEntries(names.map((name) => [name, `file:${name}`])),
  })
  for (const name of names) {
    mkdirSync(join(place, name), { recursive: true })
    // Would it run, there would be a file.
    write(`${name}/package.json`, { name, version: '1.0.0', scripts: { postinstall: 'touch ran' } })
  }
  rmSync(join(place, 'package-lock.json'), { force: true })
  execFileSync('npm', ['install', '--package-lock-only', '--no-audit'], { cwd: place, stdio: 'ignore' })
}
const setup = () => spawnSync(process.execPath, ['scripts/setup.mjs'], { cwd: place, encoding: 'utf8' })

test('installs what is missing, once; again when the lock file has changed; and runs no script of a dependency', () => {
  project('one')
  const first = setup()
  expect(first.status).toBe(0)
  expect(first.stdout).toMatch(/dependencies {2}installed in \d+ s/)
  expect(existsSync(join(place, 'node_modules/one/package.json'))).toBe(true)
  expect(existsSync(join(place, 'one/ran'))).toBe(false)

  expect(setup().stdout).toBe('')
  project('one', 'two')
  expect(setup().stdout).toContain('installed')
})

test('what npm says when it fails is shown, with one line of ours, and the exit code is 1', () => {
  project('one')
  writeFileSync(
    join(place, 'package.json'),
    JSON.stringify({ name: 'p', version: '1.0.0', dependencies: { other: 'file:other' } }),
  )
  rmSync(join(place, 'node_modules'), { recursive: true })
  const { status, stderr } = setup()
  expect(status).toBe(1)
  expect(stderr).toContain('npm ci')
  expect(stderr).toContain(
    'attune: the dependencies could not be installed; mend what npm says above and run the command again',
  )
})

test('it needs nothing but Node itself', () => {
  const imports = [...readFileSync(join(root, 'scripts/setup.mjs'), 'utf8').matchAll(/^import .* from '(.+)'$/gm)].map(
    (match) => match[1]!,
  )
  expect(imports.filter((name) => !builtinModules.includes(name.replace('node:', '')))).toEqual([])
})
