/**
 * The trainer process: takes runs from the queue and trains each in a process of its own (job.ts),
 * which exits when the run ends or pauses, freeing its memory. An engine blocks its event loop
 * while it computes; this process only renews the jobs' locks, so they hold through the longest step.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Worker } from 'bullmq'
import { pino } from 'pino'
import { loadConfig } from '../core/config.ts'
import { beat, TRAINER_MS } from '../core/db/heartbeats.ts'
import { openPool } from '../core/db/pool.ts'
import { runsToTrain } from '../core/db/run-queue.ts'
import { queuePrefix, workerConnection, type Jobs } from '../core/queues.ts'
import type { Report } from './job.ts'
import type { End } from './loop/session.ts'

/** A job whose trainer died is noticed after this long, milliseconds; the server's reconciler is usually quicker. */
const lockMs = 15_000

function main(): void {
  const config = loadConfig(process.env)
  const log = pino({ level: config.logLevel, name: 'trainer' })
  const pool = openPool(config.databaseUrl, (error) => log.warn({ err: error }, 'connection trouble'), 1)
  const children = new Set<ChildProcess>()
  const worker = new Worker<Jobs['train'], End | 'not-wanted'>(
    'train',
    // Paused meanwhile, or nobody votes: no process is needed.
    async ({ data: { sessionId } }) =>
      (await runsToTrain(pool)).includes(sessionId) ? trainApart(sessionId, children) : 'not-wanted',
    {
      prefix: queuePrefix,
      connection: workerConnection(config.redisUrl),
      concurrency: config.trainer.places,
      lockDuration: lockMs,
      stalledInterval: lockMs,
      maxStalledCount: 0, // the reconciler queues the run again
    },
  )
  worker.on('error', (error) => log.warn({ err: error }, 'the queue reported an error'))
  worker.on('active', (job) => log.info({ sessionId: job.data.sessionId }, 'run started'))
  worker.on('completed', (job, end) => log.info({ sessionId: job.data.sessionId, end }, 'run ended'))
  worker.on('failed', (job, error) => log.error({ sessionId: job?.data.sessionId, err: error }, 'run failed'))
  log.info({ places: config.trainer.places }, 'waiting for runs')

  // /health learns of trainers through this heartbeat.
  const speak = (): void => {
    beat(pool, 'trainer', { everyMs: TRAINER_MS, error: worker.isRunning() ? null : 'it takes no runs from the queue' })
      .catch((error: unknown) => log.warn({ err: error }, 'the trainer could not write its heartbeat'))
      .finally(() => setTimeout(speak, TRAINER_MS))
  }
  speak()

  // A run recomputes what it has not committed, so there is no need to wait for its step.
  const stop = (): void => process.exit(0)
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  process.once('exit', () => children.forEach((child) => child.kill('SIGKILL')))
}

/** Trains a run in a process of its own; resolves once that process is gone. */
async function trainApart(sessionId: string, children: Set<ChildProcess>): Promise<End> {
  const child = fork(fileURLToPath(new URL('job.ts', import.meta.url)), [sessionId], { execArgv: ['--import', 'tsx'] })
  children.add(child)
  let report: Report | undefined
  child.once('message', (message) => (report = message as Report))
  const how = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
  children.delete(child)
  if (report === undefined) throw new Error(`the run's process ended (${how})`)
  if ('error' in report) throw new Error(report.error)
  return report.end
}

main()
