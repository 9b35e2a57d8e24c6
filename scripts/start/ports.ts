/**
 * Ports. The embedded parts listen on loopback ports that the system chose;
 * they are remembered, so that a restart keeps every URL valid.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { errorCode } from './fault.ts'

const Remembered = z.record(z.string(), z.int().min(1).max(65535))

/** A port for `name`: the one that it had last time if that is free, else any. */
export async function portFor(dir: string, name: string): Promise<number> {
  const file = join(dir, 'ports.json')
  const before = readPorts(file)[name]
  if (before !== undefined && (await isFree(before))) return before
  const port = await freePort()
  writeFileSync(file, JSON.stringify({ ...readPorts(file), [name]: port }, null, 2))
  return port
}

/** A loopback port that nobody uses now. */
export async function freePort(): Promise<number> {
  return (await bind(0)) ?? Promise.reject(new Error('the system gave no free port'))
}

export async function isFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return (await bind(port, host)) !== null
}

/** Binds and closes at once; the port, or null if it is taken. */
function bind(port: number, host = '127.0.0.1'): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', (error) => {
      const code = errorCode(error)
      if (code === 'EADDRINUSE' || code === 'EACCES') resolve(null)
      else reject(error)
    })
    probe.listen(port, host, () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : null))
    })
  })
}

/** A file that a crash left incomplete counts as none. */
function readPorts(file: string): Record<string, number> {
  if (!existsSync(file)) return {}
  try {
    return Remembered.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return {}
    throw error
  }
}
