import { randomUUID } from 'node:crypto'
import fc from 'fast-check'

export const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.constantFrom(
    null,
    [],
    {},
    '',
    0,
    -1,
    1e308,
    '\u0000',
    '\ud800',
    '__proto__',
    'x'.repeat(10_000),
    'demo',
    "'; drop table users; --",
  ),
)

/** What breaks casts, columns, parsers and paths: for any field of any body. */
export const hostile = fc.oneof(
  fc.constantFrom<unknown[]>(
    null,
    true,
    '',
    'x',
    '0x',
    '0xzz',
    `0x${'f'.repeat(64)}`,
    `0x${'A'.repeat(40)}`,
    '1e999',
    'NaN',
    '-1',
    '99999999999999999999999999999999',
    '../..',
    '..',
    '../../etc/passwd',
    '\u0000',
    'a\u0000b',
    '\ud800',
    '\udfff\ud800',
    '9999-99-99T99:99:99Z',
    '+275760-09-13T00:00:00.001Z',
    randomUUID(),
    'demo',
    'x'.repeat(20_000),
    '💥'.repeat(5_000),
    0,
    -1,
    1.5,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    -(2 ** 63),
    1e300,
    [],
    [[]],
    {},
    { toString: 1 },
    { constructor: { prototype: 1 } },
    [null],
    [2 ** 40, -(2 ** 40)],
    { a: '\u0000' },
    { '\u0000': 1 },
    { length: 1e9 },
    JSON.parse('{"__proto__":{"polluted":1}}'),
    JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`),
    JSON.parse(`${'{"a":'.repeat(100)}1${'}'.repeat(100)}`),
  ),
  junk,
)

/** Something of about a schema's form, with hostile values in it. */
export function near(schema: unknown, depth = 0): fc.Arbitrary<unknown> {
  const { def } = (schema ?? { def: { type: 'unknown' } }) as {
    def: {
      type: string
      shape?: Record<string, unknown>
      innerType?: unknown
      in?: unknown
      element?: unknown
      options?: unknown[]
      entries?: Record<string, string>
      values?: unknown[]
    }
  }
  if (depth > 5) return hostile
  if (def.type === 'object') {
    const fields = Object.fromEntries(
      Object.entries(def.shape ?? {}).map(([key, inner]) => [
        key,
        fc.oneof({ weight: 5, arbitrary: near(inner, depth + 1) }, { weight: 1, arbitrary: hostile }),
      ]),
    )
    return fc.record(fields, { requiredKeys: [] })
  }
  if (def.type === 'array') return fc.array(near(def.element, depth + 1), { maxLength: 3 })
  if (def.type === 'union') return fc.oneof(...(def.options ?? []).map((option) => near(option, depth + 1)))
  if (def.type === 'enum') return fc.oneof(fc.constantFrom(...Object.values(def.entries ?? { x: 'x' })), hostile)
  if (def.type === 'literal') return fc.oneof(fc.constantFrom(...(def.values ?? [''])), hostile)
  if (def.type === 'number') return fc.oneof(fc.constantFrom(1, 0, 2 ** 31, 2 ** 32, 2 ** 53 - 1, -1, 1e300), hostile)
  if (def.type === 'string')
    return fc.oneof(
      fc.constantFrom('demo', 'run', '1', randomUUID(), `0x${'1'.repeat(64)}`, `0x${'aB'.repeat(20)}`),
      hostile,
    )
  const inner = def.innerType ?? def.in
  return inner === undefined ? hostile : near(inner, depth + 1)
}
