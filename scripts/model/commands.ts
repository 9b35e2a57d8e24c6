/** The commands of `npm run model`, by name. */
import { execute, group } from '../cli/command.ts'
import { fit } from './fit.ts'
import { generate } from './generate.ts'
import { importModel } from './import.ts'
import { inspect } from './inspect.ts'
import { list } from './list.ts'
import { logits } from './logits.ts'
import { prompts } from './prompts.ts'
import type { ModelCommand, Surroundings } from './surroundings.ts'

export const model: ModelCommand = (around) =>
  group({
    name: 'npm run model --',
    summary: 'looks at, runs, trains and imports models',
    detail: 'The result is JSON on the standard output; how it goes is on the error output.',
    noun: 'command',
    commands: [logits, generate, fit, importModel, prompts, inspect, list].map((open) => open(around)),
  })

/**
 * Runs the command that the first argument names; resolves to the result to print, null if help was printed. Throws
 * `Misuse` if the arguments are invalid.
 */
export const runCommand = (args: readonly string[], around: Surroundings): Promise<object | null> =>
  execute(
    model(() => around),
    args,
  )
