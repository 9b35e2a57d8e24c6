import { describe } from '../../lm/isolated/isolated.ts'
import { command } from '../cli/command.ts'
import { engineOptions, modelDirectory, type ModelCommand } from './surroundings.ts'

/** What a model directory contains; throws if it is not a complete model. */
export const inspect: ModelCommand = () =>
  command({
    name: 'inspect',
    summary: 'what a model is',
    takes: modelDirectory,
    options: engineOptions,
    run: (_values, [directory]) => describe(directory),
  })
