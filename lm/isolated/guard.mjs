/**
 * The process of one job (isolated.ts). The job runs in a thread, so that this one stays responsive and ends with
 * its parent. Should that thread run out of memory, at most this process ends.
 */
import { Worker } from 'node:worker_threads'

process.once('disconnect', () => process.exit(1))
process.once('message', ({ kind, given, megabytes }) => {
  // Registers its own TypeScript loader: a thread inherits none.
  const worker = new Worker(new URL('work.mjs', import.meta.url), {
    workerData: { kind, given },
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: megabytes },
  })
  // The parent then ends this process.
  const say = (said) => process.send(said)
  worker.once('message', say)
  worker.once('error', (error) =>
    say(
      error?.code === 'ERR_WORKER_OUT_OF_MEMORY'
        ? { outOfMemory: true }
        : { failed: String(error?.message ?? error), code: null },
    ),
  )
})
