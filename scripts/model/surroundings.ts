/** What the model commands share: their environment, and how their engine is opened. */
import type { Engine } from '../../lm/engines/engine.ts'
import { openEngine, type EngineChoice } from '../../lm/engines/open.ts'
import type { Command, Positional } from '../cli/command.ts'
import { Misuse, oneOf } from '../cli/options.ts'

export interface Surroundings {
  modelsPath: string
  /** From the environment; options take precedence. */
  compute: EngineChoice
  hub: { url: string; token: string | undefined }
  /** Larger models are not imported. */
  maxModelBytes: number
  /** Reports progress to people. */
  say: (line: string) => void
}

/** A command whose result is printed as JSON. The environment is read only when it runs: help needs none. */
export type ModelCommand = (around: () => Surroundings) => Command<object>

export const modelDirectory: Positional = { value: 'DIR', what: 'model directory' }

export const engineOptions = {
  engine: oneOf('NAME', 'what computes; else ATTUNE_ENGINE', ['onnx', 'tfjs']).optional(),
  device: oneOf('NAME', 'where; else ATTUNE_DEVICE', ['cpu', 'webgpu', 'cuda', 'auto']).optional(),
  precision: oneOf('TYPE', 'of matrix products; else ATTUNE_PRECISION', ['float32', 'float16']).optional(),
}

/** `5,6,7`. */
export function idsOf(list: string, option: string): number[] {
  const ids = list.split(',').map((part) => (part.trim() === '' ? NaN : Number(part)))
  if (!ids.every((id) => Number.isInteger(id) && id >= 0))
    throw new Misuse(`${option} is a list of token ids such as 5,6,7, not ${JSON.stringify(list)}`)
  return ids
}

/** Runs `work` on the engine that options and environment name, and frees it. */
export async function withEngine<T>(
  { compute, say }: Surroundings,
  given: Partial<EngineChoice>,
  work: (engine: Engine) => Promise<T>,
): Promise<T> {
  const { engine, why } = await openEngine({
    engine: given.engine ?? compute.engine,
    device: given.device ?? compute.device,
    precision: given.precision ?? compute.precision ?? 'float32',
  })
  say(`${engine.name}${why === '' ? '' : ` (${why})`}`)
  try {
    return await work(engine)
  } finally {
    await engine.close()
  }
}
