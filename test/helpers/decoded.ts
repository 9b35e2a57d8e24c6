import { type Interface, type ParamType, type Result, type LogParams } from 'ethers'
import type { Hex } from '../../contracts/ledger/hex.ts'

/**
 * What a function gave: nothing, one value, or an array of several. Whole numbers of up to 48 bits are numbers, longer
 * ones bigints; a struct is an object of its fields.
 */
export function decodedResult(abi: Interface, name: string, data: Hex): unknown {
  const { outputs } = functionOf(abi, name)
  const values = valuesOf(outputs, abi.decodeFunctionResult(name, data))
  return values.length > 1 ? values : values[0]
}

/** An event's arguments by name; null where the log is of another event. */
export function decodedEvent(abi: Interface, name: string, log: Pick<LogParams, 'topics' | 'data'>): object | null {
  const parsed = abi.parseLog(log)
  return parsed === null || parsed.name !== name ? null : fieldsOf(parsed.fragment.inputs, parsed.args)
}

/** The error that a call was refused with, by name and with its arguments; the bytes themselves where it is unknown. */
export function decodedError(abi: Interface, data: string): string {
  const error = abi.parseError(data)
  return error === null ? data : `${error.name}(${error.args.join(', ')})`
}

function functionOf(abi: Interface, name: string) {
  const found = abi.getFunction(name)
  if (found === null) throw new Error(`no function ${name}`)
  return found
}

const valuesOf = (types: readonly ParamType[], values: Result): unknown[] =>
  types.map((type, i) => valueOf(type, values[i]))

const fieldsOf = (types: readonly ParamType[], values: Result): object =>
  Object.fromEntries(types.map((type, i) => [type.name, valueOf(type, values[i])]))

function valueOf(type: ParamType, value: unknown): unknown {
  const { arrayChildren, components } = type
  if (arrayChildren !== null) return (value as Result).map((each: unknown) => valueOf(arrayChildren, each))
  if (components !== null) {
    const named = components.every(({ name }) => name !== '')
    return named ? fieldsOf(components, value as Result) : valuesOf(components, value as Result)
  }
  return bitsOf(type) <= 48 ? Number(value) : value
}

/** Of a whole number; endless for what is none. */
function bitsOf({ type }: ParamType): number {
  const bits = /^u?int(\d+)$/.exec(type)?.[1]
  return bits === undefined ? Infinity : Number(bits)
}
