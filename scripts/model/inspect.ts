import { describe } from '../../lm/isolated/isolated.ts'
import { engineOptions, parse } from './arguments.ts'

/** What a model directory holds; throws where it is not a whole model. */
export async function inspect(args: readonly string[]): Promise<object> {
  const { positional: directory } = parse(args, engineOptions, 'model directory')
  return describe(directory)
}
