/** Checks of the parts that somebody else runs: one line that says what to do if they don't respond. */
import { Redis } from 'ioredis'
import pg from 'pg'
import { askChainId } from './chain.ts'
import { errorCode, errorText, StartFault } from './fault.ts'

const patienceMs = 5_000

export async function checkPostgres(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: patienceMs })
  client.on('error', () => undefined) // the connection is about to be closed; what matters is thrown below
  try {
    await client.connect()
  } catch (error) {
    throw unreachable('DATABASE_URL', url, error, 'use the embedded Postgres')
  }
  await client.end()
}

export async function checkRedis(url: string): Promise<void> {
  let reason = ''
  const client = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: patienceMs,
  })
  client.on('error', (error) => {
    reason = errorText(error)
  })
  try {
    await client.connect()
    await client.ping()
  } catch (error) {
    throw unreachable('REDIS_URL', url, reason || error, 'use the embedded Redis')
  } finally {
    client.disconnect()
  }
}

/** The chain's id. */
export async function checkChain(url: string): Promise<number> {
  let id: number | null
  try {
    id = await askChainId(url)
  } catch (error) {
    throw unreachable('BLOCKCHAIN_RPC_URL', url, error, 'use the embedded chain')
  }
  if (id === null) throw unreachable('BLOCKCHAIN_RPC_URL', url, 'connection refused', 'use the embedded chain')
  return id
}

function unreachable(name: string, url: string, reason: unknown, without: string): StartFault {
  const text = typeof reason === 'string' ? reason : errorText(reason) || errorCode(reason) || 'no answer'
  return new StartFault(
    `${name} (${hidden(url)}) can't be reached: ${text}. Start what should be there, correct ${name}, or unset it to ${without}`,
  )
}

/** A URL without its user and password. */
function hidden(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url)
    return `${protocol}//${host}${pathname === '/' ? '' : pathname}`
  } catch (error) {
    if (error instanceof TypeError) return 'not a URL'
    throw error
  }
}
