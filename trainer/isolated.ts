/**
 * What a stranger's model makes us compute, in a thread of its own: it may take so long and so much memory,
 * and whoever serves others meanwhile is not held up by it.
 */
import { Worker } from 'node:worker_threads'
import type { ModelDescription } from './models/describe.ts'
import type { Packed, Packing } from './pack-model.ts'

/** What can be asked of such a thread (isolated-work.ts does it), and what comes back. */
export interface Work {
  describe: { given: { directory: string }; made: ModelDescription }
  givePrompts: { given: { directory: string; jsonl: string; what: string }; made: number }
  countPrompts: { given: { directory: string; examples: number }; made: { prompts: number; examples: string[] } }
  pack: { given: Packing; made: Packed }
}
export type Kind = keyof Work
/** What a thread says at its end. `code`: the file system's, where that refused something. */
export type Said = { made: unknown } | { failed: string; code: string | null }

/** The most memory of one thread's own, MiB: the largest tokenizers known need less than half of it. */
const MEGABYTES = 2_048
/** Threads at a time; others wait their turn. */
const TOGETHER = 2

/** The most seconds that a thread may take, from its start. Packing is as long as a model is large. */
const seconds: Record<Kind, number> = { describe: 60, givePrompts: 300, countPrompts: 60, pack: 6 * 3_600 }

/** What a model directory holds. @throws Error as `describeModel` does, and where that takes too long or too much memory */
export const describe = (directory: string): Promise<ModelDescription> => isolated('describe', { directory })

/** Does a kind of work in a thread. @throws Error, with the file system's `code` where that refused something */
export async function isolated<K extends Kind>(kind: K, given: Work[K]['given'], limits: { seconds?: number; megabytes?: number } = {}): Promise<Work[K]['made']> {
  await turn()
  try {
    return await inThread(kind, given, { seconds: limits.seconds ?? seconds[kind], megabytes: limits.megabytes ?? MEGABYTES })
  } finally {
    next()
  }
}

function inThread<K extends Kind>(kind: K, given: Work[K]['given'], limits: { seconds: number; megabytes: number }): Promise<Work[K]['made']> {
  // Its own loader of TypeScript: a thread inherits none.
  const worker = new Worker(new URL('isolated-work.mjs', import.meta.url), {
    workerData: { kind, given },
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: limits.megabytes },
  })
  return new Promise<Work[K]['made']>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the model could not be read within ${limits.seconds} s: something in its files has no end`)), limits.seconds * 1_000)
    const end = (settle: () => void): void => {
      clearTimeout(timer)
      settle()
    }
    worker.once('message', (said: Said) =>
      end(() => {
        if ('made' in said) resolve(said.made as Work[K]['made'])
        else reject(said.code === null ? new Error(said.failed) : Object.assign(new Error(said.failed), { code: said.code, syscall: 'thread' }))
      }),
    )
    worker.once('error', (error) => end(() => reject(named(error, limits.megabytes))))
    worker.once('exit', () => end(() => reject(new Error('reading the model ended before it was done'))))
  }).finally(() => worker.terminate())
}

function named(error: unknown, megabytes: number): Error {
  const memory = error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
  return memory ? new Error(`the model could not be read with ${megabytes} MiB of memory: something in its files has no end`, { cause: error }) : error instanceof Error ? error : new Error(String(error))
}

const waiting: (() => void)[] = []
let working = 0

async function turn(): Promise<void> {
  if (working >= TOGETHER) await new Promise<void>((resolve) => waiting.push(resolve))
  else working++
}

/** Hands the place on, or gives it up. */
function next(): void {
  const first = waiting.shift()
  if (first) first()
  else working--
}
