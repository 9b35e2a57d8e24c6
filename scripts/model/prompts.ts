import { readFile } from 'node:fs/promises'
import { givePrompts } from '../../lm/files/give-prompts.ts'
import { command } from '../cli/command.ts'
import { text } from '../cli/options.ts'
import { engineOptions, modelDirectory, type ModelCommand } from './surroundings.ts'

/** Gives a model the prompts of its runs. */
export const prompts: ModelCommand = () =>
  command({
    name: 'prompts',
    summary: 'says what a model is asked when it is trained',
    takes: modelDirectory,
    options: {
      ...engineOptions,
      file: text('FILE', 'one {"prompt": …} a line, with an "answer" beside it where there is a reference answer'),
    },
    run: async ({ file }, [directory]) => ({
      prompts: await givePrompts(directory, await readFile(file, 'utf8'), file),
    }),
  })
