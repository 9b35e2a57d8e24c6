/** What must be in the database and on the chain before Attune's own processes start. */
import { z } from 'zod'
import { migrate } from '../../server/db/migrate.ts'
import { openPool, type Pool } from '../../server/db/pool.ts'
import type { Deployment } from '../deploy.ts'
import type { ChainPart } from './parts.ts'
import type { Phases } from './phases.ts'
import { seedOnce, type Seeded } from './seed-once.ts'

export interface PrepareOptions {
  dir: string
  database: Promise<string>
  chain: Promise<ChainPart>
  demo: boolean
  phases: Phases
}

/** Migrations first; then the seed and the ledger side by side. */
export async function prepare({ dir, database, chain, demo, phases }: PrepareOptions): Promise<{ ledger: string; seeded: Seeded }> {
  const pool = openPool(await database, () => undefined, 2)
  try {
    await phases.run('migrations', () => migrate(pool))
    const work = [
      phases.run('ledger', async () => ledgerOf(pool, await chain)),
      phases.run('accounts', () => seedOnce(pool, dir, demo)),
    ] as const
    await Promise.allSettled(work)
    const [ledger, seeded] = await Promise.all(work)
    return { ledger, seeded }
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
