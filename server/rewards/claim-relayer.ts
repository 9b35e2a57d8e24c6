import { LedgerError } from '../../contracts/ledger/errors.ts'
import type { BountyChain } from '../../contracts/ledger/client/bounties.ts'
import type { ClaimSender } from './claim-sender.ts'
import type { Core } from '../deps.ts'
import type { Db } from '../../core/db/pool.ts'
import { markRelayed, nextRelayed, type RelayJob } from '../../core/db/relayed-claims.ts'
import { inTurn } from '../../core/db/advisory-lock.ts'

/** A transaction that no block has taken after this long is sent again with a higher fee, milliseconds. */
const PATIENCE_MS = 30_000

export interface RelayerDeps {
  core: Pick<Core, 'pool' | 'log'>
  bounties: BountyChain
  sender: ClaimSender
  now?: () => number
  patienceMs?: number
}

/**
 * Brings the oldest claim that waits one step on: signs and stores, sends, looks whether a block
 * has it. One claim is under way at a time and each takes the account's next free nonce, so
 * nothing is sent twice and nothing stands behind a gap, wherever this was interrupted. Says
 * whether there was anything to do. Of several servers one does it.
 *
 * @throws LedgerError unreachable
 */
export async function relayNext({
  core,
  bounties,
  sender,
  now = Date.now,
  patienceMs = PATIENCE_MS,
}: RelayerDeps): Promise<boolean> {
  return inTurn(core.pool, 'attune:relayer', async (client) => {
    const job = await nextRelayed(client, bounties)
    if (job === null) return false
    await bringOn(client, job)
    return true
  })

  async function bringOn(client: Db, job: RelayJob): Promise<void> {
    const settle = (state: 'done' | 'failed', problem?: string) =>
      markRelayed(client, job.id, { state, ...(problem !== undefined && { problem }) })
    if ((await bounties.claimed(job.bounty, job.account)) >= job.amount) return settle('done')
    if (job.txHash !== null) {
      if ((await sender.outcome(job.txHash)) === 'reverted') return settle('failed', 'The contract refused it.')
      if (job.ageMs < patienceMs) return
    }
    if (now() / 1_000 > job.deadline) return settle('failed', 'Its deadline has passed. Sign it again.')
    const bumps = job.state === 'sent' ? job.bumps + 1 : job.bumps
    try {
      const { raw, txHash } = await sender.sign(job, bumps)
      // Stored before it is sent: whatever happens between, this one is looked for.
      await markRelayed(client, job.id, { state: 'sent', txHash, bumps })
      await sender.send(raw)
      core.log.info({ claim: job.id, txHash }, 'a claim was relayed')
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code === 'unreachable') throw error
      if (error.code === 'reverted') return settle('failed', error.message)
      await markRelayed(client, job.id, {
        state: job.state,
        problem: 'The network asks too much for gas now; the claim waits.',
      })
    }
  }
}
