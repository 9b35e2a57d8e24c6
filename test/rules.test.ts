/** docs/RULES.md defines every rule that is cited, once, and names tests that exist. */
import { describe, expect, test } from 'vitest'
import { readRepositoryFile, repositoryFiles } from './helpers/repository.ts'

interface Rule {
  id: string
  text: string
  tests: { file: string; title: string }[]
}

/** `- **V1** text`, then `  - \`file\`: “title”` for each test. */
function rulesOf(document: string): Rule[] {
  return document.split(/^(?=- \*\*)/m).flatMap((entry) => {
    const id = /^- \*\*([A-Z]\d+)\*\* /.exec(entry)?.[1]
    if (id === undefined) return []
    const tests = [...entry.matchAll(/^ {2}- `([^`]+)`: “(.+)”$/gm)]
    const [text = ''] = entry.slice(`- **${id}** `.length).split('\n')
    return [{ id, text, tests: tests.map(([, file = '', title = '']) => ({ file, title })) }]
  })
}

/**
 * The rules that a text cites: what follows the word “rule”, and every number of a group that has rules. Papers are
 * cited by two digits ([S24]); V8 is the JavaScript engine.
 */
function citationsIn(text: string): string[] {
  const named = [...text.matchAll(/\brules?[\s*/-]+([A-Z]\d{1,2}(?:(?:, | and )[A-Z]\d{1,2})*)\b/gi)]
  const numbered = [...text.matchAll(/\b[PVTCS][1-9]\b/g)].map(([id]) => id)
  return [...new Set([...named.flatMap(([, ids = '']) => ids.match(/[A-Z]\d{1,2}/g) ?? []), ...numbered])].filter(
    (id) => id !== 'V8',
  )
}

function undefinedIn(text: string, defined: ReadonlySet<string>): string[] {
  return citationsIn(text).filter((id) => !defined.has(id))
}

const isTitle = (source: string, title: string): boolean =>
  ["'", '"', '`'].some((quote) =>
    new RegExp(
      `\\b(?:test|it|describe)[\\w.]*[^\\n]*\\(\\s*${quote}${escaped(title)}${quote}|\\]?\\)\\(\\s*${quote}${escaped(title)}${quote}`,
    ).test(source),
  )
const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

const rules = rulesOf(readRepositoryFile('docs/RULES.md'))
const defined = new Set(rules.map(({ id }) => id))
/** Whatever people write rules into; this file cites some that are not there. */
const cites = (file: string): boolean =>
  /\.(ts|mjs|svelte|sol|sql|md|yml)$/.test(file) && !file.startsWith('test/fixtures/') && file !== 'test/rules.test.ts'

describe('docs/RULES.md', () => {
  test('defines every rule that code, tests and documents cite', () => {
    const missing = repositoryFiles()
      .filter(cites)
      .flatMap((file) => undefinedIn(readRepositoryFile(file), defined).map((id) => `${file} cites ${id}`))
    expect(missing).toEqual([])
  })

  test('defines each rule once, in words', () => {
    expect(rules.map(({ id }) => id)).toEqual([...defined])
    expect(rules.length).toBeGreaterThan(20)
    for (const { id, text } of rules) expect(text, id).toMatch(/^[A-Z].{20,}/)
  })

  test.each(rules.map((rule) => [rule.id, rule] as const))('%s names tests that exist', (_, { tests }) => {
    expect(tests.length).toBeGreaterThan(0)
    for (const { file, title } of tests) {
      expect(file).toMatch(/^test\/.*\.ts$/)
      expect(isTitle(readRepositoryFile(file), title), `${file} has “${title}”`).toBe(true)
    }
  })
})

describe('the check', () => {
  test('finds a citation that has no definition', () => {
    expect(undefinedIn('/** Nothing is lost (rule V9). */', defined)).toEqual(['V9'])
    expect(undefinedIn(' * closes it (rule\n * L3), and rules V1, Q12 and S2 hold', defined)).toEqual(['L3', 'Q12'])
    expect(undefinedIn("test('P9: a run ends', () => {})", defined)).toEqual(['P9'])
    expect(undefinedIn('V8 ends the process; [S24, L25] averages by length; rule S1', defined)).toEqual([])
  })

  test('reads rules with their tests, and knows a title from a mention', () => {
    const [rule, ...others] = rulesOf('# Rules\n\n- **Z1** Nothing is lost.\n  - `test/a.test.ts`: “Z1: it’s there”\n')
    expect(rule).toEqual({
      id: 'Z1',
      text: 'Nothing is lost.',
      tests: [{ file: 'test/a.test.ts', title: 'Z1: it’s there' }],
    })
    expect(others).toEqual([])
    expect(isTitle("test('Z1: it’s there', () => {})", 'Z1: it’s there')).toBe(true)
    expect(isTitle("test.each([1, 2])(\n  'Z1: it’s there', () => {})", 'Z1: it’s there')).toBe(true)
    expect(isTitle("// Z1: it’s there\nsay('Z1: it’s there')", 'Z1: it’s there')).toBe(false)
  })
})
