/**
 * `npm run mutate`: removes each guard from the contracts in turn, in a copy of the repository, and
 * runs the tests that should notice. Prints which test noticed what; fails if none did.
 */
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { z } from 'zod'
import { command, main } from '../cli/command.ts'
import { parsed, Misuse } from '../cli/options.ts'
import { openProgress } from '../study/progress.ts'
import { table } from '../study/table.ts'
import { MUTATIONS, type Mutation, mutated } from './mutations.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** The quickest first: what one of them notices, the next need not check. */
const TESTS = ['test/contracts/rules-', 'test/contracts/stateful.test.ts']
const COPIED = ['contracts', 'test/contracts', 'test/helpers', 'scripts/mutate', 'package.json', 'tsconfig.json']

const mutate = command({
  name: 'npm run mutate --',
  summary: 'takes each guard out of the contracts in turn, and says which test notices',
  detail: 'In a copy of the repository, which is removed again. Fails where no test notices.',
  options: {
    only: parsed('PATTERN', 'those whose function or guard this regular expression matches', patternOf).optional(),
  },
  run: ({ only }) => tryThose(only),
})

function patternOf(given: string, name: string): RegExp {
  try {
    return new RegExp(given)
  } catch (error) {
    throw new Misuse(`${name} is a regular expression: ${error instanceof Error ? error.message : String(error)}`)
  }
}

async function tryThose(only: RegExp = /(?:)/): Promise<void> {
  const chosen = MUTATIONS.filter(({ guard, at }) => only.test(`${at} ${guard}`))
  const copy = copyRepository()
  try {
    const amiss = await firstFailure(copy)
    if (amiss !== null) throw new Error(`nothing was taken away yet, and a test fails: ${amiss}`)
    const rows = await tryAll(copy, chosen)
    console.log(
      table(
        ['contract', 'guard', 'noticed by'],
        rows.map(({ mutation, noticed }) => [
          `${mutation.file}.${mutation.at.replace(/^function |\(\n?$/g, '')}`,
          mutation.guard,
          noticed ?? 'NOTHING',
        ]),
      ),
    )
    const survivors = rows.filter(({ noticed }) => noticed === null).length
    console.log(`\n${rows.length - survivors} of ${rows.length} guards are missed by a test when they are gone`)
    if (survivors > 0) process.exitCode = 1
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

type Row = { mutation: Mutation; noticed: string | null }

async function tryAll(copy: string, chosen: readonly Mutation[]): Promise<Row[]> {
  // The copy's own compiler module: it reads the copy's sources, and stays warm between mutations.
  const { artifactIn, SOURCES } = (await import(
    pathToFileURL(join(copy, 'contracts/solidity/compile.ts')).href
  )) as typeof import('../../contracts/solidity/compile.ts')
  const progress = openProgress(chosen.length, (n) => chosen[n]?.at.replace(/^function |\(\n?$/g, '') ?? 'done')
  const rows: Row[] = []
  for (const mutation of chosen) {
    progress.report(rows.length, 0, mutation.guard)
    const file = `contracts/solidity/${mutation.file}.sol`
    const source = readFileSync(join(copy, file), 'utf8')
    writeFileSync(join(copy, file), mutated(source, mutation))
    // Any name will do: all contracts are compiled at once, including those that others inherit.
    artifactIn(SOURCES, 'ContributionLedger', 'artifacts.json', true)
    const noticed = await firstFailure(copy)
    if (noticed === null) console.error(`\nno test notices: ${mutation.file}: ${mutation.guard}`)
    rows.push({ mutation, noticed })
    writeFileSync(join(copy, file), source)
  }
  progress.stop()
  return rows
}

/** The repository as far as the tests need it, its packages by a link. */
function copyRepository(): string {
  const copy = mkdtempSync(join(tmpdir(), 'attune-mutate-'))
  for (const path of COPIED) cpSync(join(root, path), join(copy, path), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  writeFileSync(
    join(copy, 'vitest.config.ts'),
    `export default { test: { testTimeout: 300_000, include: ['test/contracts/*.test.ts'] } }\n`,
  )
  return copy
}

/** The title of the first test that fails; null if all pass. */
async function firstFailure(copy: string): Promise<string | null> {
  for (const test of TESTS) {
    const report = join(copy, 'report.json')
    rmSync(report, { force: true })
    await new Promise<void>((resolve) => {
      const args = [
        join(root, 'node_modules/vitest/vitest.mjs'),
        'run',
        test,
        '--bail=1',
        '--reporter=json',
        `--outputFile=${report}`,
      ]
      execFile(process.execPath, args, { cwd: copy, timeout: TEST_MS, maxBuffer: 2 ** 26 }, () => resolve())
    })
    const files = Report.parse(JSON.parse(readFileSync(report, 'utf8'))).testResults
    const failed = files.flatMap(({ assertionResults }) => assertionResults.filter(({ status }) => status === 'failed'))
    if (failed[0] !== undefined) return failed[0].fullName
    const broken = files.find(({ status }) => status === 'failed')
    if (broken) return `what ${basename(broken.name)} begins with: ${broken.message}`
  }
  return null
}

/** Timeout of all tests of one mutation: 5 minutes. */
const TEST_MS = 300_000
const Report = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string(),
      assertionResults: z.array(z.object({ status: z.string(), fullName: z.string() })),
    }),
  ),
})

await main(mutate, (error) => console.error(error))
