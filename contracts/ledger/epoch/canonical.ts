import { LedgerError } from '../errors.ts'

/** A value with a canonical text. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/**
 * The canonical JSON text of a value, after RFC 8785: keys in UTF-16 code unit
 * order, no whitespace, numbers in ECMAScript's shortest form.
 *
 * Throws `bad-record` for values without a JSON form (NaN, infinities, lone
 * surrogates, anything that is not plain data), rather than dropping it.
 */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new LedgerError('bad-record', `${value} has no JSON form`)
    return JSON.stringify(value)
  }
  if (typeof value === 'string') {
    if (/\p{Surrogate}/u.test(value)) throw new LedgerError('bad-record', 'a text holds a lone surrogate')
    return JSON.stringify(value)
  }
  if (typeof value !== 'object') throw new LedgerError('bad-record', `a ${typeof value} has no JSON form`)
  if (isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new LedgerError('bad-record', 'only plain objects have a JSON form')
  }
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([key, member]) => `${canonicalJson(key)}:${canonicalJson(member)}`).join(',')}}`
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
