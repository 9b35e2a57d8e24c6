/** A command's option: its value, what it means, how it is parsed, and its default. */

/** The command line is invalid. */
export class Misuse extends Error {}

export interface Option<T> {
  /** The value's name or unit, in capitals; null of a switch. */
  value: string | null
  what: string
  /** @throws Misuse that says, in one line, what `name` may be */
  read: (text: string, name: string) => T
  choices?: readonly string[]
  /** The option is required. */
  needed: boolean
  otherwise?: T
  /** How help shows the default, if JSON wouldn't do. */
  shown?: string
}

/** An option as first declared: required, unless `or` or `optional` changes that. */
export interface Needed<T> extends Option<T> {
  or: (otherwise: T, shown?: string) => Option<T>
  optional: () => Option<T | undefined>
}

type Base<T> = Pick<Option<T>, 'value' | 'what' | 'read' | 'choices'>

const needed = <T>(base: Base<T>): Needed<T> => ({
  ...base,
  needed: true,
  or: (otherwise, shown) => ({ ...base, needed: false, otherwise, ...(shown !== undefined && { shown }) }),
  optional: () => ({ ...base, needed: false }),
})

export const text = (value: string, what: string): Needed<string> => needed({ value, what, read: (given) => given })

export interface Range {
  least?: number
  most?: number
  /** Like `least`, but exclusive. */
  above?: number
}

export const number = (value: string, what: string, range: Range = {}): Needed<number> =>
  needed({ value, what, read: (given, name) => numberOf(name, given, range) })

export const whole = (value: string, what: string, range: Range = {}): Needed<number> =>
  needed({ value, what, read: (given, name) => numberOf(name, given, range, true) })

export const oneOf = <T extends string>(value: string, what: string, choices: readonly T[]): Needed<T> =>
  needed({ value, what, choices, read: (given, name) => choiceOf(name, given, choices) })

/** Any other value. `read` throws Misuse. */
export const parsed = <T>(value: string, what: string, read: (text: string, name: string) => T): Needed<T> =>
  needed({ value, what, read })

/** False unless it is given. */
export const flag = (what: string): Option<boolean> => ({
  ...{ value: null, what, needed: false, otherwise: false },
  read: () => true,
})

/** `--no-NAME`: true unless it is given. */
export const unless = (what: string): Option<boolean> => ({
  ...{ value: null, what, needed: false, otherwise: true },
  read: () => false,
})

export function numberOf(name: string, given: string, range: Range = {}, integer = false): number {
  const { least = -Infinity, most = Infinity, above = -Infinity } = range
  const value = given.trim() === '' ? NaN : Number(given)
  if (value >= least && value <= most && value > above && (!integer || Number.isInteger(value))) return value
  throw new Misuse(`${name} is a ${integer ? 'whole ' : ''}number${extent(range)}, not ${JSON.stringify(given)}`)
}

function extent({ least, most, above }: Range): string {
  if (above !== undefined) return ` above ${above}${most === undefined ? '' : ` and at most ${most}`}`
  if (least !== undefined) return most === undefined ? ` from ${least} on` : ` from ${least} to ${most}`
  return most === undefined ? '' : ` of at most ${most}`
}

export function choiceOf<T extends string>(name: string, given: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === given)
  if (found === undefined) throw new Misuse(`${name} is one of ${choices.join(', ')}, not ${JSON.stringify(given)}`)
  return found
}
