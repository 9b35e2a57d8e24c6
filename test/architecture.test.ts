/** The import rules of ARCHITECTURE.md. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cruise } from 'dependency-cruiser'
import { afterAll, describe, expect, test } from 'vitest'
import { forbidden, options, resolution } from './architecture-rules.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const folders = ['lm', 'core', 'server', 'trainer', 'contracts', 'scripts', 'client/src']

async function violations(baseDir: string, of: string[]): Promise<string[]> {
  const { output } = await cruise(of, { ...options, baseDir, validate: true, ruleSet: { forbidden } }, resolution)
  if (typeof output === 'string') throw new Error(output)
  return output.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`)
}

test('no import breaks a rule of ARCHITECTURE.md', async () => {
  expect(await violations(root, folders)).toEqual([])
})

describe('each rule catches what it forbids', () => {
  const place = mkdtempSync(join(tmpdir(), 'attune-rules-'))
  afterAll(() => rmSync(place, { recursive: true }))

  // A file that breaks each rule, and what it imports.
  const breaking: Record<string, [file: string, imports: string]> = {
    'lm-imports-downwards': ['lm/files/uses.ts', '../../core/errors.ts'],
    'contracts-ledger-imports-downwards': ['contracts/ledger/uses.ts', '../../core/errors.ts'],
    'contracts-solidity-imports-downwards': ['contracts/solidity/uses.ts', '../../core/errors.ts'],
    'core-imports-downwards': ['core/uses.ts', '../server/deps.ts'],
    'trainer-imports-downwards': ['trainer/uses.ts', '../server/deps.ts'],
    'contracts-recorder-imports-downwards': ['contracts/recorder/uses.ts', '../../trainer/job.ts'],
    'client-imports-downwards': ['client/src/uses.ts', '../../trainer/job.ts'],
    'server-imports-downwards': ['server/uses.ts', '../scripts/deploy.ts'],
    'scripts-imports-downwards': ['scripts/uses.ts', '../test/helper.ts'],
    'no-circle': ['core/back.ts', './there.ts'],
    'protocol-imports-only-zod-and-constants': ['core/protocol/votes.ts', '../errors.ts'],
    'constants-import-nothing': ['lm/files/limits.ts', './gpt.ts'],
    'client-knows-protocol-and-ledger-alone': ['client/src/page.ts', '../../core/errors.ts'],
    'trainer-imports-no-web-server': ['trainer/web.ts', 'express'],
    'graph-imports-no-engine': ['lm/graph/op.ts', '../engines/cpu.ts'],
    'engine-knows-nothing-of-models': ['lm/engines/cpu.ts', '../files/gpt.ts'],
    'pure-does-no-io': ['trainer/rl/clock.ts', 'node:fs'],
    'pure-imports-nothing-that-does-io': ['core/votes/vote.ts', '../errors.ts'],
  }

  test('one example for each', async () => {
    const files: Record<string, string> = {
      'package.json': '{"type":"module","dependencies":{"express":"1"}}',
      'tsconfig.json': '{"compilerOptions":{"module":"preserve","allowImportingTsExtensions":true,"noEmit":true}}',
      'node_modules/express/package.json': '{"name":"express","main":"index.js"}',
      'node_modules/express/index.js': 'module.exports = 1',
      'core/there.ts': "import { y } from './back.ts'\nexport const z = y",
    }
    for (const file of [
      'core/errors.ts',
      'contracts/ledger/errors.ts',
      'lm/files/gpt.ts',
      'server/deps.ts',
      'trainer/job.ts',
      'scripts/deploy.ts',
      'test/helper.ts',
    ])
      files[file] = 'export const a = 1'
    for (const [file, imports] of Object.values(breaking))
      files[file] = `import * as x from '${imports}'\nexport const y = x`
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(place, file)), { recursive: true })
      writeFileSync(join(place, file), text)
    }
    const found = await violations(place, folders)
    expect(new Set(found.map((line) => line.split(':')[0]))).toEqual(new Set(forbidden.map((rule) => rule.name)))
    for (const [name, [file]] of Object.entries(breaking)) {
      expect(
        found.some((line) => line.startsWith(`${name}: ${file}`)),
        `${name} catches ${file}`,
      ).toBe(true)
    }
  })
})

/** Files that a command or a process starts with: these hand the environment on as an argument. */
function entries(): Set<string> {
  const scripts = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  const run = Object.values(scripts.scripts).flatMap((line) =>
    [...line.matchAll(/[\w/.-]+\.(?:ts|mjs)\b/g)].map((match) => match[0]),
  )
  // The last one sets a variable for a native library, and reads none.
  return new Set([...run, 'trainer/job.ts', 'core/config.ts', 'lm/engines/no-telemetry.ts'])
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(ts|mjs|svelte)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
}

test('only main.ts files and core/config.ts read the environment', () => {
  const allowed = entries()
  const readers = folders
    .flatMap(sources)
    .filter((file) => !file.endsWith('/main.ts') && !allowed.has(file))
    .filter((file) => /\bprocess\s*\.\s*env\b|import\.meta\.env\b/.test(readFileSync(join(root, file), 'utf8')))
  expect(readers).toEqual([])
})
