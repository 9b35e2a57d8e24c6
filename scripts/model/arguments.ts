/** What the model commands share: how their options are read, and how their engine is opened. */
import { parseArgs, type ParseArgsConfig } from 'node:util'
import type { Engine } from '../../lm/engines/engine.ts'
import { openEngine, type EngineChoice } from '../../lm/engines/open.ts'

/** Its result is printed as JSON. */
export type Command = (args: readonly string[], around: Surroundings) => Promise<object>

export interface Surroundings {
  modelsPath: string
  /** As the environment says; options count more. */
  compute: EngineChoice
  hub: { url: string; token: string | undefined }
  /** Larger models are not imported. */
  maxModelBytes: number
  /** Tells people how it goes. */
  say: (line: string) => void
}

/** The command line does not say what to do. */
export class Misuse extends Error {}

const text = { type: 'string' } as const
export const engineOptions = { engine: text, device: text, precision: text } as const

/** Options, and the one positional argument `what`. */
export function parse<T extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: T,
  what: string,
) {
  const { values, positionals } = misuse(() => parseArgs({ args: [...args], options, allowPositionals: true }))
  const [first, ...rest] = positionals
  if (first === undefined || rest.length > 0) throw new Misuse(`one ${what} is needed, not ${positionals.length}`)
  return { values, positional: first }
}

function misuse<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new Misuse(error instanceof Error ? error.message : String(error))
  }
}

/** `5,6,7`. */
export function idsOf(option: string, list: string): number[] {
  const ids = list.split(',').map((part) => (part.trim() === '' ? NaN : Number(part)))
  if (!ids.every((id) => Number.isInteger(id) && id >= 0))
    throw new Misuse(`${option} is a list of token ids such as 5,6,7, not ${JSON.stringify(list)}`)
  return ids
}

/** A number from `least` to `most`; `whole` for integers only. */
export function numberOf(
  option: string,
  given: string,
  { least = -Infinity, most = Infinity, whole = false } = {},
): number {
  const value = given.trim() === '' ? NaN : Number(given)
  if (!(value >= least && value <= most) || (whole && !Number.isInteger(value))) {
    throw new Misuse(
      `${option} is a ${whole ? 'whole ' : ''}number from ${least} to ${most}, not ${JSON.stringify(given)}`,
    )
  }
  return value
}

/** Runs `work` on the engine that options and environment name, and frees it. */
export async function withEngine<T>(
  { compute, say }: Surroundings,
  given: { engine?: string; device?: string; precision?: string },
  work: (engine: Engine) => Promise<T>,
): Promise<T> {
  const choice = {
    engine: oneOf('--engine', given.engine ?? compute.engine, ['onnx', 'tfjs']),
    device: oneOf('--device', given.device ?? compute.device, ['cpu', 'webgpu', 'cuda', 'auto']),
    precision: oneOf('--precision', given.precision ?? compute.precision ?? 'float32', ['float32', 'float16']),
  }
  const { engine, why } = await openEngine(choice)
  say(`${engine.name}${why === '' ? '' : ` (${why})`}`)
  try {
    return await work(engine)
  } finally {
    await engine.close()
  }
}

function oneOf<T extends string>(option: string, given: string, names: readonly T[]): T {
  const found = names.find((name) => name === given)
  if (!found) throw new Misuse(`${option} is one of ${names.join(', ')}, not ${JSON.stringify(given)}`)
  return found
}
