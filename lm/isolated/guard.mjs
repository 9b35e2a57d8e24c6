/**
 * The process of one piece of work (isolated.ts). The work itself is a thread in it, so that this one stays
 * awake: it ends with whoever asked. What memory that thread runs out of takes this process at the most.
 */
import { Worker } from 'node:worker_threads'

process.once('disconnect', () => process.exit(1))
process.once('message', ({ kind, given, megabytes }) => {
  // Its own loader of TypeScript: a thread inherits none.
  const worker = new Worker(new URL('work.mjs', import.meta.url), {
    workerData: { kind, given },
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: megabytes },
  })
  // Whoever asked then ends this process.
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
