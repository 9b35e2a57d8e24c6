/** What must be in the database and on the chain before Attune's own processes start. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { artifact } from '../../contracts/compile.ts'
import { migrate } from '../../server/db/migrate.ts'
import { openPool, type Pool } from '../../server/db/pool.ts'
import { hasCode } from './chain.ts'
import type { ChainPart } from './parts.ts'
import type { Phases } from './phases.ts'
import { seedOnce, type Seeded } from './seed-once.ts'

export interface PrepareOptions {
  dir: string
  database: Promise<string>
  chain: Promise<ChainPart>
  /** The contracts are compiled. */
  contracts: Promise<unknown>
  demo: boolean
  phases: Phases
}

/** Migrations first; then the seed and the ledger side by side. */
export async function prepare({ dir, database, chain, contracts, demo, phases }: PrepareOptions): Promise<{ ledger: string; seeded: Seeded }> {
  const pool = openPool(await database, () => undefined, 2)
  try {
    await phases.run('migrations', () => migrate(pool))
    const work = [
      Promise.all([chain, contracts]).then(([node]) => phases.run('ledger', () => ledgerOf(pool, node))),
      phases.run('accounts', () => seedOnce(pool, dir, demo)),
    ] as const
    await Promise.allSettled(work)
    const [ledger, seeded] = await Promise.all(work)
    return { ledger, seeded }
  } finally {
    await pool.end()
  }
}

/** The environment's ledger, or the one that Attune deployed on its embedded chain. */
async function ledgerOf(pool: Pool, chain: ChainPart): Promise<string> {
  if (chain.contract !== null) return chain.contract
  const build = createHash('sha256').update(artifact('ContributionLedger').bytecode).digest('hex')
  const { rows } = await pool.query<{ key: string; value: unknown }>("select key, value from facts where key in ('ledger', 'ledger-build')")
  const facts = new Map(rows.map(({ key, value }) => [key, value]))
  const known = Known.nullable().parse(facts.get('ledger') ?? null)
  // The usual case, looked at without viem, which takes a second to load.
  if (known?.chainId === chain.id && facts.get('ledger-build') === build && (await hasCode(chain.url, known.address))) return known.address
  const { ensureLedger } = await import('../deploy.ts')
  const { deployment } = await ensureLedger({ rpcUrl: chain.url, privateKey: chain.key, known })
  await pool.query(
    `insert into facts (key, value) values ('ledger', $1), ('ledger-build', $2) on conflict (key) do update set value = excluded.value`,
    [JSON.stringify(deployment), JSON.stringify(build)],
  )
  return deployment.address
}

const hex = z.templateLiteral(['0x', z.string()])
const Known = z.object({ address: hex, chainId: z.int(), txHash: hex, blockNumber: z.int(), codeHash: hex })
