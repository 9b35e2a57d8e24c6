/** SQL stands in core/db and the migrations, and nowhere else. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import ts from 'typescript'

const root = fileURLToPath(new URL('..', import.meta.url))
const folders = ['lm', 'core', 'server', 'trainer', 'contracts', 'client/src', 'scripts']

/** Making the database that everything else is in. */
const exception = 'scripts/start/postgres.ts'

/** A statement's beginning: a verb, and what only SQL goes on with. */
const statement =
  /^\s*(select\s[\s\S]*\bfrom\s|select\s+(\d|pg_)|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s|with\s+\w+\s+as\s*\(|(create|drop|alter)\s+(table|database|index)\s)/i

/** The lines of a source that hold SQL, or send some to a database. */
function sqlIn(name: string, source: string): number[] {
  const file = ts.createSourceFile(name, source, ts.ScriptTarget.Latest, true)
  const found = new Set<number>()
  const visit = (node: ts.Node): void => {
    const text = ts.isTemplateExpression(node)
      ? node.head.text + node.templateSpans.map(({ literal }) => ` ? ${literal.text}`).join('')
      : ts.isStringLiteralLike(node)
        ? node.text
        : ''
    const isQuery =
      ts.isCallExpression(node) &&
      ts.isPropertyAccessExpression(node.expression) &&
      node.expression.name.text === 'query'
    if (isQuery || statement.test(text)) found.add(file.getLineAndCharacterOfPosition(node.getStart()).line + 1)
    ts.forEachChild(node, visit)
  }
  visit(file)
  return [...found]
}

/** A component's script is read as one, without its markup. */
const scriptOf = (name: string, source: string): string =>
  name.endsWith('.svelte') ? (/<script[^>]*>([\s\S]*?)<\/script>/.exec(source)?.[1] ?? '') : source

const sources = folders.flatMap((folder) =>
  readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(ts|mjs|svelte)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    .filter((file) => !/(^|\/)(node_modules|dist|build)\//.test(file)),
)

const linesOf = (file: string): string[] =>
  sqlIn(file, scriptOf(file, readFileSync(join(root, file), 'utf8'))).map((line) => `${file}:${line}`)

test('no SQL stands outside core/db, but for what makes the database', () => {
  expect(sources.filter((file) => !file.startsWith('core/db/') && file !== exception).flatMap(linesOf)).toEqual([])
  expect(linesOf(exception)).not.toEqual([])
})

describe('what counts as SQL', () => {
  test.each([
    'select id from users where id = $1',
    'with votes as (select 1) select * from votes',
    "insert into facts (key, value) values ('a', $1)",
    'update samples set status = 1',
    'delete from users',
    'select 1',
    'select pg_advisory_lock(1)',
  ])('%s', (sql) => expect(sqlIn('a.ts', `const a = \`${sql}\``)).toEqual([1]))

  test('a query whose text comes from elsewhere', () => expect(sqlIn('a.ts', 'db.query(text)')).toEqual([1]))
  test('a statement with a part put in', () =>
    expect(sqlIn('a.ts', 'const a = `select ${x} from users where ${y}`')).toEqual([1]))
  test.each(['select a session', 'update the page', 'delete this run', 'with care', 'insert a word', 'selected from'])(
    'not: %s',
    (words) => expect(sqlIn('a.ts', `const a = '${words}'`)).toEqual([]),
  )
})
