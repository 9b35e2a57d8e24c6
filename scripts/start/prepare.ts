/** What must be in the database and on the chain before Attune's own processes start. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { artifact } from '../../contracts/solidity/compile.ts'
import { findFact, saveFact } from '../../core/db/facts.ts'
import { migrate } from '../../core/db/migrate.ts'
import { openPool, type Pool } from '../../core/db/pool.ts'
import { hasCode } from './chain.ts'
import type { ChainPart } from './parts.ts'
import type { Phases } from './phases.ts'
import { seedOnce, type Seeded } from './seed-once.ts'

export interface PrepareOptions {
  dir: string
  database: Promise<string>
  chain: Promise<ChainPart>
  /** The contracts are compiled. */
  compiled: Promise<unknown>
  demo: boolean
  phases: Phases
}

/** While modules load and contracts compile, an established connection may go unnoticed for seconds. */
const connectMs = 60_000

/** Migrations first; then the seed and the ledger in parallel. */
export async function prepare({
  dir,
  database,
  chain,
  compiled,
  demo,
  phases,
}: PrepareOptions): Promise<{ contracts: Contracts; seeded: Seeded }> {
  const pool = openPool(await database, () => undefined, 2, connectMs)
  try {
    await phases.run('migrations', () => migrate(pool))
    const work = [
      Promise.all([chain, compiled]).then(([node]) => phases.run('ledger', () => contractsOf(pool, node))),
      phases.run('accounts', () => seedOnce(pool, dir, demo)),
    ] as const
    await Promise.allSettled(work)
    const [contracts, seeded] = await Promise.all(work)
    return { contracts, seeded }
  } finally {
    await pool.end()
  }
}

/** The environment's contracts, or those that Attune deployed on its embedded chain. */
async function contractsOf(pool: Pool, chain: ChainPart): Promise<Contracts> {
  if (chain.contracts !== null) return chain.contracts
  const names = ['ContributionLedger', 'RewardDistributor'] as const
  const build = createHash('sha256')
    .update([...names.map((name) => artifact(name).bytecode), chain.disputeWindow].join())
    .digest('hex')
  const known = Known.safeParse(await findFact(pool, 'contracts'))
  // The usual case, checked without ethers, which takes a second to load.
  if (
    known.success &&
    known.data.chainId === chain.id &&
    known.data.build === build &&
    (await hasCode(chain.url, known.data.distributor))
  )
    return known.data
  const { deploySystem } = await import('../deploy/system.ts')
  const { contracts } = await deploySystem({
    rpcUrl: chain.url,
    privateKey: chain.key,
    disputeWindow: chain.disputeWindow,
    disputeBond,
  })
  const found = { ledger: contracts.ledger.address, distributor: contracts.distributor.address }
  await saveFact(pool, 'contracts', { ...found, chainId: chain.id, build })
  return found
}

/** 0.01 of the embedded chain's coin, in its smallest unit. */
const disputeBond = 10n ** 16n

export interface Contracts {
  ledger: string
  /** Null: nothing is paid here. */
  distributor: string | null
}
const Known = z.object({ ledger: z.string(), distributor: z.string(), chainId: z.int(), build: z.string() })
