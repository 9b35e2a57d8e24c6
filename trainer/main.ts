/**
 * The trainer process: takes runs from the queue and trains each in a process of its own (job.ts).
 * An engine's run blocks its event loop for as long as it computes; this process only keeps the
 * jobs' locks, so they hold through the longest step.
 */
import { Worker } from 'bullmq'
import { pino } from 'pino'
import { loadConfig } from '../server/config.ts'
import { queuePrefix, workerConnection, type Jobs } from '../server/queues.ts'

/** Runs that one trainer process trains side by side. A run that waits for votes computes nothing. */
const concurrency = 4
/** A job whose trainer died is noticed after this long, milliseconds; the server's reconciler is usually quicker. */
const lockMs = 15_000

function main(): void {
  const config = loadConfig(process.env)
  const log = pino({ level: config.logLevel, name: 'trainer' })
  const worker = new Worker<Jobs['train'], string>('train', new URL('job.ts', import.meta.url), {
    prefix: queuePrefix,
    connection: workerConnection(config.redisUrl),
    concurrency,
    lockDuration: lockMs,
    stalledInterval: lockMs,
    maxStalledCount: 0, // the reconciler queues the run anew
    workerForkOptions: { execArgv: ['--import', 'tsx'] },
  })
  worker.on('error', (error) => log.warn({ err: error }, 'queue trouble'))
  worker.on('active', (job) => log.info({ sessionId: job.data.sessionId }, 'run taken'))
  worker.on('completed', (job, end) => log.info({ sessionId: job.data.sessionId, end }, 'run put down'))
  worker.on('failed', (job, error) => log.error({ sessionId: job?.data.sessionId, err: error }, 'run failed'))
  log.info('waiting for runs')

  // What a run has not committed it makes again: nothing is gained by waiting for its step. The
  // runs' processes end with this one.
  const stop = (): void => process.exit(0)
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}

main()
