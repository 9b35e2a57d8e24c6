/** A private redis-server: one loopback port, a password, nothing on disk (Redis only carries). */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { orStop, startChild } from './child.ts'
import { errorText, StartFault } from './fault.ts'
import { findRedis } from './redis-binary.ts'
import type { Service, ServiceOptions } from './service.ts'

export interface RedisOptions extends ServiceOptions {
  password: string
  /** Where an unpacked redis-server is kept if the system has none. */
  cache: string
  onPhase?: (text: string) => void
}

const startMs = 15_000

export async function openRedis(options: RedisOptions): Promise<Service> {
  const { dir, port, password } = options
  const { command, libraryPath } = await findRedis(options.cache, options.onPhase)
  const config = {
    bind: '127.0.0.1',
    port,
    requirepass: password,
    databases: 1024,
    save: '""',
    appendonly: 'no',
    'maxmemory-policy': 'noeviction',
    dir: '/',
  }
  const child = await startChild({
    name: 'Redis',
    command,
    args: ['-'],
    // On standard input: a password on the command line could be read by every user.
    input: Object.entries(config)
      .map(([key, value]) => `${key} ${value}\n`)
      .join(''),
    env: libraryPath ? { LD_LIBRARY_PATH: libraryPath } : {},
    cwd: '/',
    log: join(dir, 'logs', 'redis.log'),
    pidFile: join(dir, 'run', 'redis.json'),
    stopSignal: 'SIGTERM',
    graceMs: 5_000,
    ...(options.onTrouble && { onTrouble: options.onTrouble }),
  })
  const url = `redis://:${password}@127.0.0.1:${port}/0`
  await orStop(child, () => answering(url, child.running, () => child.logTail()))
  return { url, child, close: child.stop }
}

async function answering(url: string, running: () => boolean, logTail: () => string): Promise<void> {
  const giveUpAt = Date.now() + startMs
  let last = ''
  for (;;) {
    if (!running()) throw new StartFault(`Redis stopped while starting; the end of its log:\n${logTail()}`)
    const client = new Redis(url, {
      lazyConnect: true,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
      connectTimeout: 1_000,
    })
    client.on('error', (error) => {
      last = errorText(error)
    })
    try {
      await client.connect()
      await client.ping()
      return
    } catch (error) {
      last ||= errorText(error)
      if (Date.now() > giveUpAt)
        throw new StartFault(`Redis doesn't answer (${last}); the end of its log:\n${logTail()}`)
      await sleep(10)
    } finally {
      client.disconnect()
    }
  }
}
