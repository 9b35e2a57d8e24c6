import { readFile } from 'node:fs/promises'
import { givePrompts } from '../../lm/files/give-prompts.ts'
import { Misuse, parse } from './arguments.ts'

const text = { type: 'string' } as const

/** Gives a model the prompts of its runs. */
export async function prompts(args: readonly string[]): Promise<{ prompts: number }> {
  const {
    values: { file },
    positional: directory,
  } = parse(args, { engine: text, device: text, file: text }, 'model directory')
  if (file === undefined) throw new Misuse('prompts needs --file')
  return { prompts: await givePrompts(directory, await readFile(file, 'utf8'), file) }
}
