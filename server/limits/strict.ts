/**
 * Checks what a client sends before its schema parses it: no unknown keys (a misspelt setting would
 * silently keep its default), nothing that no column can hold, nothing nested too deep.
 */
import type { z } from 'zod'
import { AttuneError } from '../../core/errors.ts'
import { limits } from '../../core/protocol/index.ts'

/**
 * Reads a value by its schema, and rejects unknown keys. @throws AttuneError invalid with the path,
 * ZodError
 */
export function parseStrictly<T>(schema: z.ZodType<T>, value: unknown): T {
  refuseUnstorable(value)
  const [stranger] = strangers(schema, value, [])
  if (stranger === undefined) return schema.parse(value)
  throw new AttuneError('invalid', sentence(stranger), { path: stranger.path.join('.') })
}

/** For requests without a body or query: @throws AttuneError invalid if something is sent all the same */
export function refuseAny(value: unknown, what: string): void {
  const [key] = typeof value === 'object' && value !== null ? Object.keys(value) : []
  if (key !== undefined) throw new AttuneError('invalid', `${what}: leave it out`, { path: key })
}

// ---------------------------------------------------------------- unknown keys

interface Stranger {
  path: string[]
  known: string[]
}

/** A zod schema, as far as keys are concerned. */
interface Schema {
  def: {
    type: string
    shape?: Record<string, Schema>
    innerType?: Schema
    element?: Schema
    valueType?: Schema
    options?: Schema[]
    items?: Schema[]
    in?: Schema
    left?: Schema
    right?: Schema
    catchall?: Schema
    getter?: () => Schema
  }
  safeParse: (value: unknown) => { success: boolean }
}

/** Keys of a value that are not in its schema. */
function strangers(schema: Schema, value: unknown, path: string[]): Stranger[] {
  const { def } = schema
  const inside = (inner: Schema | undefined, of: unknown, ...at: string[]): Stranger[] =>
    inner ? strangers(inner, of, [...path, ...at]) : []
  switch (def.type) {
    case 'object': {
      if (!isTree(value)) return []
      const shape = def.shape ?? {}
      const known = Object.keys(shape)
      return Object.entries(value).flatMap(([key, of]) => {
        if (Object.hasOwn(shape, key)) return inside(shape[key], of, key)
        return def.catchall ? [] : [{ path: [...path, key], known }]
      })
    }
    case 'record':
      return isTree(value) ? Object.entries(value).flatMap(([key, of]) => inside(def.valueType, of, key)) : []
    case 'array':
      return Array.isArray(value) ? value.flatMap((of, i) => inside(def.element, of, String(i))) : []
    case 'tuple':
      return Array.isArray(value) ? (def.items ?? []).flatMap((item, i) => inside(item, value[i], String(i))) : []
    case 'union':
      return ofUnion(def.options ?? [], value, path)
    case 'intersection':
      return [] // none is sent
    case 'lazy':
      return inside(def.getter?.(), value)
    case 'pipe':
      return inside(def.in, value)
    default:
      return inside(def.innerType, value)
  }
}

/** By the option that the value matches, or else by the one that it comes closest to. */
function ofUnion(options: readonly Schema[], value: unknown, path: string[]): Stranger[] {
  const fitting = options.filter((option) => option.safeParse(value).success)
  const found = (fitting.length > 0 ? fitting : options.filter(({ def }) => def.type === 'object')).map((option) =>
    strangers(option, value, path),
  )
  return found.sort((a, b) => a.length - b.length)[0] ?? []
}

function sentence({ path, known }: Stranger): string {
  const key = path.at(-1) ?? ''
  const near = nearest(key, known)
  if (near !== null) return `there is no ${shown(key)} here: did you mean ${near}?`
  return `there is no ${shown(key)} here${known.length === 0 ? '' : `: what there is, is ${known.slice(0, 24).join(', ')}`}; leave it out`
}

const shown = (key: string): string => (/^[\w.-]{1,64}$/.test(key) ? key : JSON.stringify(key.slice(0, 64)))

/** The name that a key may be a typo of: the same except for case, underscores and at most a third of its letters. */
export function nearest(key: string, known: readonly string[]): string | null {
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, '')
  const ranked = known
    .map((name) => ({ name, apart: distance(plain(key).slice(0, 64), plain(name)) }))
    .sort((a, b) => a.apart - b.apart)
  const [first] = ranked
  return first !== undefined && first.apart <= Math.max(1, Math.floor(first.name.length / 3)) ? first.name : null
}

/** Letters to change, insert or delete (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(
        Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)),
      )
    row = next
  }
  return row[b.length] ?? 0
}

// ---------------------------------------------------------------- what cannot be stored

/**
 * Rejects what no text, number or document of Postgres can hold, and what is nested too deep to be
 * walked recursively, as all later code does. It is itself iterative.
 *
 * @throws AttuneError invalid with the path
 */
export function refuseUnstorable(value: unknown): void {
  let level: { of: unknown; path: string }[] = [{ of: value, path: '' }]
  for (let depth = 0; level.length > 0; depth++) {
    const next: typeof level = []
    for (const { of, path } of level) {
      const problem = problemOf(of)
      if (problem !== null) throw new AttuneError('invalid', problem, path === '' ? {} : { path: path.slice(0, 200) })
      if (typeof of !== 'object' || of === null) continue
      if (depth === limits.nesting)
        throw new AttuneError('invalid', `lists and objects lie in each other more than ${limits.nesting} deep`, {
          path: path.slice(0, 200),
        })
      for (const [key, inner] of Object.entries(of)) {
        if (problemOf(key) !== null)
          throw new AttuneError(
            'invalid',
            'a name holds a character that cannot be stored',
            path === '' ? {} : { path: path.slice(0, 200) },
          )
        next.push({ of: inner, path: path === '' ? key : `${path}.${key}` })
      }
    }
    level = next
  }
}

function problemOf(value: unknown): string | null {
  if (typeof value === 'string')
    return value.includes('\0') || !isWellFormed(value)
      ? 'a text holds a character that cannot be stored (NUL, or half of a surrogate pair)'
      : null
  if (typeof value === 'number') return Number.isFinite(value) ? null : 'a number is greater than can be stored'
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !isTree(value))
    return 'send plain JSON, and no bytes'
  return null
}

/** No unpaired surrogates. */
const isWellFormed = (text: string): boolean =>
  !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text)

/** A plain JSON object: no list, no bytes, no class instance. */
function isTree(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
