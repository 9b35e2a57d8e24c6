import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { MUTATIONS, mutated } from '../../scripts/mutate/mutations.ts'

const require = createRequire(import.meta.url)
const contracts = new URL('../../contracts/', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, contracts), 'utf8')
const solidity = new URL('solidity/', contracts)
const source = (name: string) => readFileSync(new URL(name, solidity), 'utf8')
const sources = readdirSync(solidity).filter((name) => name.endsWith('.sol'))
const threats = read('THREATS.md')

describe('static analysis', () => {
  /** Each answered in THREATS.md. */
  const answered = ['not-rely-on-time', 'no-inline-assembly']
  const Findings = z.object({
    reports: z.array(z.object({ ruleId: z.string(), line: z.number(), message: z.string() })),
  })

  it('by every security rule of solhint finds nothing in the contracts but what is answered in writing', () => {
    const solhint = require('solhint') as { processStr(code: string, config: object): unknown }
    const rules = readdirSync(join(dirname(require.resolve('solhint/package.json')), 'lib/rules/security'))
      .map((file) => file.replace(/\.js$/, ''))
      .filter((rule) => rule !== 'index' && !answered.includes(rule))
    expect(rules.length).toBeGreaterThan(15)
    const special = {
      'compiler-version': ['error', '^0.8.28'],
      'func-visibility': ['error', { ignoreConstructors: true }],
    }
    const config = { rules: { ...Object.fromEntries(rules.map((rule) => [rule, 'error'])), ...special } }
    for (const name of sources)
      expect(Findings.parse(solhint.processStr(source(name), config)).reports, name).toEqual([])
    for (const rule of answered) expect(threats).toContain(`\`${rule}\``)
    // It does look.
    expect(
      Findings.parse(
        solhint.processStr(
          'pragma solidity ^0.8.28; contract C { function f() public view returns (bool) { return tx.origin == address(1); } }',
          config,
        ),
      ).reports,
    ).toMatchObject([{ ruleId: 'avoid-tx-origin' }])
  })
})

describe('THREATS.md', () => {
  it('names only tests that there are', () => {
    const named = [...threats.matchAll(/`(test\/[\w/-]+\.test\.ts)`: “([^”]+)”/g)].map(([, file = '', title = '']) => ({
      file,
      title,
    }))
    expect(named.length).toBeGreaterThan(20)
    for (const { file, title } of named)
      expect(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'), `${file} has no such test`).toContain(
        `'${title}'`,
      )
  })

  it('lists the result of taking away each guard that there is', () => {
    for (const mutation of MUTATIONS) {
      const unmutated = source(`${mutation.file}.sol`)
      expect(mutated(unmutated, mutation)).not.toBe(unmutated)
      expect(threats, `the result of "${mutation.guard}"`).toContain(`| ${mutation.guard} |`)
    }
  })

  it('and the mutations know every error that the contracts can end with', () => {
    const errors = sources.flatMap((name) =>
      [...source(name).matchAll(/revert (?:ContributionLedger\.)?(\w+)\(/g)].map(([, error]) => error),
    )
    const known = MUTATIONS.map(({ from }) => from).join()
    // These few are taken away by their condition.
    const byCondition = [
      'EmptyEpoch',
      'EpochNotFinal',
      'EpochNotPending',
      'NoSuchDispute',
      'ScoreOutOfRange',
      'SignatureExpired',
    ]
    expect(
      [...new Set(errors)].filter((error) => !known.includes(`${error}(`) && !byCondition.includes(error ?? '')),
    ).toEqual([])
  })
})
