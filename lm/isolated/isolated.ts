/**
 * Work on untrusted models, in a process of its own with limits of time and memory, so that it can neither stall
 * nor crash the server. (A thread alone would not do: if V8 cannot allocate one large array, it ends the process with
 * all its threads.)
 */
import { fork } from 'node:child_process'
import type { ModelDescription } from '../files/describe.ts'
import type { Packed, Packing } from '../files/archive.ts'
import { createGate } from '../gate.ts'

/** The jobs of such a process (work.ts implements them), with argument and result. */
export interface Work {
  describe: { given: { directory: string }; made: ModelDescription }
  givePrompts: { given: { directory: string; jsonl: string; what: string }; made: number }
  countPrompts: { given: { directory: string; examples: number }; made: { prompts: number; examples: string[] } }
  pack: { given: Packing; made: Packed }
}
export type Kind = keyof Work
/** Its final message. `code`: the file system's error code, if that refused something. */
export type Said = { made: unknown } | { failed: string; code: string | null } | { outOfMemory: true }

/** Memory limit of a job, MiB: the largest known tokenizers need less than half of it. */
const MEGABYTES = 2_048
/** Time limits from the start of a job, seconds. Packing takes time in proportion to the model. */
const seconds: Record<Kind, number> = { describe: 60, givePrompts: 300, countPrompts: 60, pack: 6 * 3_600 }

/**
 * Describes a model directory. @throws Error as `describeModel` does, and where that takes too long or too much memory
 */
export const describe = (directory: string): Promise<ModelDescription> => isolated('describe', { directory })

/** Runs a job. @throws Error, with the file system's `code` if that refused something */
export function isolated<K extends Kind>(
  kind: K,
  given: Work[K]['given'],
  limits: { seconds?: number; megabytes?: number } = {},
): Promise<Work[K]['made']> {
  const within = { seconds: limits.seconds ?? seconds[kind], megabytes: limits.megabytes ?? MEGABYTES }
  return (kind === 'pack' ? packing : reading).run(() => inProcess(kind, given, within))
}

function inProcess<K extends Kind>(
  kind: K,
  given: Work[K]['given'],
  limits: { seconds: number; megabytes: number },
): Promise<Work[K]['made']> {
  const child = fork(new URL('guard.mjs', import.meta.url), {
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const outOfMemory = () =>
    new Error(`the model could not be read with ${limits.megabytes} MiB of memory: something in its files is unbounded`)
  return new Promise<Work[K]['made']>((resolve, reject) => {
    const timer = setTimeout(
      () =>
        reject(
          new Error(
            `the model could not be read within ${limits.seconds} s: something in its files does not terminate`,
          ),
        ),
      limits.seconds * 1_000,
    )
    child.once('message', (said: Said) => {
      if ('made' in said) resolve(said.made as Work[K]['made'])
      else if ('outOfMemory' in said) reject(outOfMemory())
      else
        reject(
          said.code === null
            ? new Error(said.failed)
            : Object.assign(new Error(said.failed), { code: said.code, syscall: 'read or write' }),
        )
    })
    child.on('error', reject)
    // It ends without a message if V8 itself runs out of memory, which aborts the whole process.
    child.once('exit', (_code, signal) =>
      reject(signal === 'SIGABRT' ? outOfMemory() : new Error('the process that read the model ended unexpectedly')),
    )
    child.once('close', () => clearTimeout(timer))
    child.send({ kind, given, megabytes: limits.megabytes })
  }).finally(() => child.kill('SIGKILL'))
}

/** Concurrent jobs. Packing is slow, so imports do not queue behind it. */
const [reading, packing] = [createGate(2), createGate(1)]
