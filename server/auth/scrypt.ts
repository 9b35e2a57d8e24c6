import { Worker } from 'node:worker_threads'
import { AttuneError } from '../../core/errors.ts'

interface Job {
  password: string
  salt: Buffer
  bytes: number
  cost: { N: number; r: number; p: number; maxmem: number }
}
interface Waiting extends Job {
  resolve: (key: Buffer) => void
  reject: (error: unknown) => void
}

/** Passwords that are worked on at once, and those that may wait; some 80 ms each. */
const AT_ONCE = 2
const MOST_WAITING = 64
/** Milliseconds without work after which a worker ends. */
const IDLE_MS = 10_000

const queue: Waiting[] = []
const idle: Worker[] = []
let busy = 0

/**
 * scrypt in a queue of its own, on threads of its own: however many sign in at once, files, names
 * and the database are served meanwhile.
 *
 * @throws AttuneError too-frequent where too many wait
 */
export function scrypt(job: Job): Promise<Buffer> {
  if (queue.length >= MOST_WAITING) {
    return Promise.reject(
      new AttuneError('too-frequent', 'very many people are signing in: try again in a few seconds', { retryAfter: 5 }),
    )
  }
  return new Promise((resolve, reject) => {
    queue.push({ ...job, resolve, reject })
    next()
  })
}

function next(): void {
  if (busy >= AT_ONCE) return
  const job = queue.shift()
  if (job === undefined) return
  busy++
  const worker = idle.pop() ?? open()
  worker.ref()
  const settle = (done: () => void, keep: boolean) => {
    worker.off('message', onMessage).off('error', onError).off('exit', onExit)
    busy--
    if (keep) rest(worker)
    done()
    next()
  }
  const onMessage = (key: Uint8Array) => settle(() => job.resolve(Buffer.from(key)), true)
  const onError = (error: unknown) => settle(() => job.reject(error), false)
  const onExit = (code: number) =>
    settle(() => job.reject(new Error(`the thread for passwords ended with ${code}`)), false)
  worker.on('message', onMessage).on('error', onError).on('exit', onExit)
  const { password, salt, bytes, cost } = job
  worker.postMessage({ password, salt, bytes, cost })
}

function open(): Worker {
  const worker = new Worker(new URL('./scrypt-worker.mjs', import.meta.url), { execArgv: [] })
  return worker.once('exit', () => take(worker))
}

/** A worker without work keeps no process alive, and ends after a while. */
function rest(worker: Worker): void {
  idle.push(worker)
  worker.unref()
  setTimeout(() => {
    if (take(worker)) void worker.terminate()
  }, IDLE_MS).unref()
}

/** Takes a worker out of the idle ones; false where it isn't one. */
function take(worker: Worker): boolean {
  const at = idle.indexOf(worker)
  if (at >= 0) idle.splice(at, 1)
  return at >= 0
}
