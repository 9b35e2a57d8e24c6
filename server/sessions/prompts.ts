/** The prompts that models are trained on: the researchers' own, kept in each model's directory. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { isolated } from '../../lm/isolated/isolated.ts'
import { ifThere } from '../../lm/files/disk.ts'
import { PROMPTS_FILE } from '../../lm/files/prompt-file.ts'
import type { Deps } from '../deps.ts'
import { lockModel } from '../../core/db/models.ts'
import { transaction } from '../../core/db/pool.ts'
import { unfinishedSessions } from '../../core/db/sessions.ts'
import { AttuneError, badFile, isOfDisk } from '../../core/errors.ts'
import { directoryOf, weightsOf } from '../models/models.ts'
import { limits, TrainingConfig, type ModelPrompts } from '../../core/protocol/index.ts'
import { allowance, type Body } from '../models/uploads.ts'

/** Prompts that are shown as examples. */
const EXAMPLES = 5

/** @throws AttuneError not-found, conflict if the model has no weights */
export async function promptsOf(deps: Deps, modelId: string): Promise<ModelPrompts> {
  const directory = await directoryOf(deps, modelId)
  const file = await ifThere(stat(join(directory, PROMPTS_FILE)))
  if (file === null) return { modelId, prompts: 0, examples: [] }
  const version = `${file.size} ${file.mtimeMs}`
  const known = counted.get(directory)
  if (known?.version === version) return { modelId, ...(await known.count) }
  // Anybody may ask, any number at once: a file is read once.
  const count = isolated('countPrompts', { directory, examples: EXAMPLES }).catch((error: unknown) => {
    if (isOfDisk(error)) throw error
    const reason = error instanceof Error ? error.message.replaceAll(`${directory}/`, '') : String(error)
    throw new AttuneError('conflict', `the prompts of the model ${modelId} cannot be read: ${reason}`, { cause: error })
  })
  counted.set(directory, { version, count })
  count.catch(() => counted.delete(directory))
  return { modelId, ...(await count) }
}

/** By the model's directory: its prompts as of when they were read. */
const counted = new Map<string, { version: string; count: Promise<{ prompts: number; examples: string[] }> }>()

/**
 * Gives a model its prompts, JSON lines, replacing those that it had.
 *
 * @throws AttuneError not-found, invalid with the line, too-large, conflict while a run of it may still use the
 *   former ones
 */
export async function setPrompts(deps: Deps, modelId: string, body: Body): Promise<ModelPrompts> {
  const directory = await directoryOf(deps, modelId)
  const jsonl = await receive(body)
  await transaction(deps.pool, async (client) => {
    // No run of the model can start meanwhile.
    await lockModel(client, modelId)
    const [running] = await unfinishedSessions(client, modelId)
    if (running !== undefined)
      throw new AttuneError(
        'conflict',
        `${running === null ? 'a run' : `the run ${running}`} of this model is not over: stop it, or import the model under another name`,
      )
    await isolated('givePrompts', { directory, jsonl, what: 'the prompts' }).catch(badFile)
  })
  return promptsOf(deps, modelId)
}

/** @throws AttuneError conflict if a run of the model could only fail: it has no weights, or no prompts */
export async function demandTrainable(
  deps: Pick<Deps, 'models'>,
  model: { id: string; checkpointPath?: string },
): Promise<void> {
  if (await ifThere(stat(join(weightsOf(deps, model), PROMPTS_FILE)))) return
  throw new AttuneError(
    'conflict',
    `the model ${model.id} has no prompts: send them to POST /api/models/${model.id}/prompts, one {"prompt": "…"} a line`,
    { path: 'modelId' },
  )
}

/**
 * @throws AttuneError invalid if a run that asks for held-out prompts would have too few to be evaluated on. The usual
 * share is taken as it comes: of a few prompts it holds none out.
 */
export async function demandHeldOut(deps: Deps, modelId: string, { validationSplit }: TrainingConfig): Promise<void> {
  if (validationSplit === 0 || validationSplit === TrainingConfig.parse({}).validationSplit) return
  const { prompts } = await promptsOf(deps, modelId)
  if (Math.floor(validationSplit * prompts) >= HELD_OUT) return
  throw new AttuneError(
    'invalid',
    `of the ${prompts} prompts of the model ${modelId} this share holds out fewer than ${HELD_OUT}, which an evaluation needs: raise it, or send the model more prompts`,
    { path: 'configuration.validationSplit' },
  )
}

/** Held-out prompts that an evaluation needs at least: a single one has no standard error. */
const HELD_OUT = 2

function receive({ headers, stream }: Body): Promise<string> {
  if (headers['content-type']?.startsWith('application/x-ndjson') !== true)
    throw new AttuneError('invalid', 'send the prompts as application/x-ndjson: one {"prompt": "…"} a line')
  const limited = allowance(limits.promptFileBytes, `prompts have at most ${limits.promptFileBytes} bytes`)
  return pipeline(stream, limited(), (source) => text(source))
}
