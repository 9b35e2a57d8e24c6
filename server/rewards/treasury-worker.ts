import { LedgerError } from '../../contracts/ledger/errors.ts'
import type { Core } from '../deps.ts'
import type { Db } from '../../core/db/pool.ts'
import { markOrder, markSigned, nextOrder, type OrderJob } from '../../core/db/treasury-orders.ts'
import { inTurn } from '../../core/db/advisory-lock.ts'
import type { TreasurySender } from './treasury-sender.ts'

/** A transaction that no block has taken after this long is sent again with a higher fee, milliseconds. */
const PATIENCE_MS = 30_000

export interface TreasurerDeps {
  core: Pick<Core, 'pool' | 'log'>
  chainId: number
  sender: TreasurySender
  patienceMs?: number
}

/**
 * Brings the treasury's oldest order one step on: signs and stores, sends, looks whether a block
 * has it. An order keeps the nonce that it was first signed with, whatever happens between, so
 * that money leaves once at most. Says whether there was anything to do. Of several servers one
 * does it.
 *
 * @throws LedgerError unreachable
 */
export async function treasuryNext({
  core,
  chainId,
  sender,
  patienceMs = PATIENCE_MS,
}: TreasurerDeps): Promise<boolean> {
  return inTurn(core.pool, 'attune:treasurer', async (client) => {
    const job = await nextOrder(client, chainId)
    if (job === null) return false
    await bringOn(client, job)
    return true
  })

  async function bringOn(client: Db, job: OrderJob): Promise<void> {
    // Before the receipts are looked for: what took the nonce by now has one by then.
    const next = await sender.nonce()
    for (const txHash of job.txHashes) {
      const outcome = await sender.outcome(txHash)
      if (outcome === 'success') return markOrder(client, job.id, { state: 'done' })
      if (outcome === 'reverted')
        return markOrder(client, job.id, { state: 'failed', problem: 'The contract refused it.' })
    }
    const nonce = job.nonce ?? next
    if (next > nonce) {
      // It might still turn up at a node that is behind: a person looks, and orders again.
      return markOrder(client, job.id, {
        state: 'failed',
        problem:
          'Another transaction of the treasury’s account took its place. See that it was not made before you order it again.',
      })
    }
    if (job.nonce !== null && job.ageMs < patienceMs) return
    try {
      const { raw, txHash } = await sender.sign(job, nonce, job.txHashes.length)
      await markSigned(client, job.id, nonce, txHash)
      await sender.send(raw)
      core.log.info({ order: job.id, what: job.what, txHash }, 'the treasury has sent a transaction')
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code === 'unreachable') throw error
      if (error.code === 'reverted' && job.nonce === null)
        return markOrder(client, job.id, { state: 'failed', problem: `It would fail: ${error.message}.` })
      await markOrder(client, job.id, {
        problem:
          error.code === 'fee-too-high' ? 'The network asks too much for gas now; it waits.' : 'It waits for a block.',
      })
    }
  }
}
