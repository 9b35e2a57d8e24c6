/** The commands of `npm run model`, by name. */
import { Misuse, type Command, type Surroundings } from './arguments.ts'
import { fit } from './fit.ts'
import { generate } from './generate.ts'
import { importModel } from './import.ts'
import { inspect } from './inspect.ts'
import { list } from './list.ts'
import { logits } from './logits.ts'
import { prompts } from './prompts.ts'

export const usage = `npm run model -- COMMAND [--engine onnx|tfjs] [--device cpu|webgpu|cuda|auto] [--precision float32|float16]

logits DIR --ids 5,6,7               next-token logits: {"logits": [[…], … one row a position]}
generate DIR --ids 5,6,7             a continuation: {"ids": [… the given ones, then the new ones]}
generate DIR --prompt TEXT           the same of a text: {"ids": […], "text": …}
    [--max-new-tokens 64] [--greedy] [--temperature 1] [--top-k 0] [--top-p 1]
    [--repetition-penalty 1] [--seed 1] [--ignore-eos]
    What is not given is as the model's generation_config.json says.
fit DIR --ids-file rows.json --out DIR2
                                     trains next-token cross entropy on rows of ids, all of them each step,
                                     with AdamW: decay on every parameter, no clipping
    [--steps 3] [--lr 1e-3] [--betas 0.9,0.95] [--eps 1e-8] [--weight-decay 0.1]
import SOURCE                        takes a directory, or a repository of the Hugging Face hub (owner/name),
                                     in under MODELS_PATH once it is whole; an interrupted download resumes
    [--name NAME] [--revision main] [--token $HF_TOKEN]
prompts DIR --file prompts.jsonl     what it is asked when it is trained: one {"prompt": …} a line, with an "answer"
                                     beside it where there is a reference answer
inspect DIR                          what a model is
list                                 the models under MODELS_PATH`

const commands: Readonly<Record<string, Command>> = {
  logits,
  generate,
  fit,
  import: importModel,
  prompts,
  inspect,
  list,
}

/**
 * Runs the command that the first argument names; its result is what is printed. Throws `Misuse` where the arguments
 * don't say what to do.
 */
export async function runCommand([name, ...args]: readonly string[], around: Surroundings): Promise<object> {
  if (name === undefined) throw new Misuse('no command is given')
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) throw new Misuse(`there is no command ${name}`)
  return command(args, around)
}
