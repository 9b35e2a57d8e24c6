/**
 * What a stranger's model makes us compute, in a process of its own: it may take so long and so much memory,
 * and whoever serves others meanwhile is neither held up nor ended by it. (A thread alone would not do: where
 * V8 finds no memory for one large array, it ends the process with all its threads.)
 */
import { fork } from 'node:child_process'
import type { ModelDescription } from '../files/describe.ts'
import type { Packed, Packing } from '../files/archive.ts'
import { createGate } from '../gate.ts'

/** What can be asked of such a process (work.ts does it), and what comes back. */
export interface Work {
  describe: { given: { directory: string }; made: ModelDescription }
  givePrompts: { given: { directory: string; jsonl: string; what: string }; made: number }
  countPrompts: { given: { directory: string; examples: number }; made: { prompts: number; examples: string[] } }
  pack: { given: Packing; made: Packed }
}
export type Kind = keyof Work
/** What it says at its end. `code`: the file system's, where that refused something. */
export type Said = { made: unknown } | { failed: string; code: string | null } | { outOfMemory: true }

/** The most memory of one, MiB: the largest tokenizers known need less than half of it. */
const MEGABYTES = 2_048
/** The most seconds that one may take, from its start. Packing is as long as a model is large. */
const seconds: Record<Kind, number> = { describe: 60, givePrompts: 300, countPrompts: 60, pack: 6 * 3_600 }

/**
 * What a model directory holds. @throws Error as `describeModel` does, and where that takes too long or too much memory
 */
export const describe = (directory: string): Promise<ModelDescription> => isolated('describe', { directory })

/** Does a kind of work. @throws Error, with the file system's `code` where that refused something */
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
    new Error(`the model could not be read with ${limits.megabytes} MiB of memory: something in its files has no end`)
  return new Promise<Work[K]['made']>((resolve, reject) => {
    const timer = setTimeout(
      () =>
        reject(new Error(`the model could not be read within ${limits.seconds} s: something in its files has no end`)),
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
    // Without a word it ends where V8 itself finds no memory: it then ends the whole process.
    child.once('exit', (_code, signal) =>
      reject(signal === 'SIGABRT' ? outOfMemory() : new Error('reading the model ended before it was done')),
    )
    child.once('close', () => clearTimeout(timer))
    child.send({ kind, given, megabytes: limits.megabytes })
  }).finally(() => child.kill('SIGKILL'))
}

/** So many at a time. Packing takes its time, and nobody who brings a model in waits for it. */
const [reading, packing] = [createGate(2), createGate(1)]
