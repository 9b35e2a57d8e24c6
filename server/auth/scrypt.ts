import { Worker } from 'node:worker_threads'
import { AttuneError } from '../../core/errors.ts'
import { createGate } from '../../lm/gate.ts'

interface Job {
  password: string
  salt: Buffer
  bytes: number
  cost: { N: number; r: number; p: number; maxmem: number }
}

/** Passwords hashed concurrently, and those that may wait; about 80 ms each. */
const AT_ONCE = 2
const MOST_WAITING = 64
/** Milliseconds without work after which a worker ends. */
const IDLE_MS = 10_000

const gate = createGate(AT_ONCE)
const idle: Worker[] = []

/**
 * scrypt in a queue of its own, on threads of its own: however many sign in at once, file access,
 * DNS and the database are not blocked meanwhile.
 *
 * @throws AttuneError too-frequent if too many wait
 */
export async function scrypt(job: Job): Promise<Buffer> {
  if (gate.waiting >= MOST_WAITING) {
    throw new AttuneError('too-frequent', 'very many people are signing in: try again in a few seconds', {
      retryAfter: 5,
    })
  }
  return gate.run(() => onThread(job))
}

function onThread({ password, salt, bytes, cost }: Job): Promise<Buffer> {
  const worker = idle.pop() ?? open()
  worker.ref()
  return new Promise((resolve, reject) => {
    const settle = () => worker.off('message', onMessage).off('error', onError).off('exit', onExit)
    const onMessage = (key: Uint8Array) => {
      settle()
      rest(worker)
      resolve(Buffer.from(key))
    }
    const onError = (error: unknown) => {
      settle()
      reject(error)
    }
    const onExit = (code: number) => onError(new Error(`the thread for passwords ended with ${code}`))
    worker.on('message', onMessage).on('error', onError).on('exit', onExit)
    worker.postMessage({ password, salt, bytes, cost })
  })
}

function open(): Worker {
  const worker = new Worker(new URL('./scrypt-worker.mjs', import.meta.url), { execArgv: [] })
  return worker.once('exit', () => take(worker))
}

/** An idle worker keeps no process alive, and ends after a while. */
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
