/** What must be in the database and on the chain before Attune's own processes start. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Address } from 'viem'
import { z } from 'zod'
import { migrate } from '../../server/db/migrate.ts'
import { openPool, type Pool } from '../../server/db/pool.ts'
import type { Deployment } from '../deploy.ts'
import type { ChainPart } from './parts.ts'
import type { Phases } from './phases.ts'

export interface PrepareOptions {
  database: Promise<string>
  chain: Promise<ChainPart>
  phases: Phases
}

export async function prepare({ database, chain, phases }: PrepareOptions): Promise<{ ledger: string }> {
  const pool = openPool(await database, () => undefined, 2)
  try {
    await phases.run('migrations', () => migrate(pool))
    const ledger = await phases.run('ledger', async () => ledgerOf(pool, await chain))
    return { ledger }
  } finally {
    await pool.end()
  }
}

const Known: z.ZodType<Deployment> = z.object({
  address: z.templateLiteral(['0x', z.string()]),
  chainId: z.int(),
  txHash: z.templateLiteral(['0x', z.string()]),
  blockNumber: z.int(),
  codeHash: z.templateLiteral(['0x', z.string()]),
})

/** The environment's ledger, or the one that Attune deployed on its embedded chain. */
async function ledgerOf(pool: Pool, chain: ChainPart): Promise<string> {
  if (chain.contract !== null) return chain.contract
  // viem and the compiler take long to load: not before they are needed.
  const { ensureLedger } = await import('../deploy.ts')
  const { rows } = await pool.query<{ value: unknown }>("select value from facts where key = 'ledger'")
  const known = Known.nullable().parse(rows[0]?.value ?? null)
  const { deployment, reused } = await ensureLedger({ rpcUrl: chain.url, privateKey: chain.key, known })
  if (!reused) {
    await pool.query(
      `insert into facts (key, value) values ('ledger', $1) on conflict (key) do update set value = excluded.value`,
      [JSON.stringify(deployment)],
    )
  }
  return deployment.address
}
