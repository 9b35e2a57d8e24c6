import type { BountyChain } from '../../contracts/ledger/client/bounties.ts'
import { bringOn, type Policy } from '../../contracts/ledger/client/outbox.ts'
import { LedgerError } from '../../contracts/ledger/errors.ts'
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
    await step(client, job)
    return true
  })

  async function step(client: Db, job: RelayJob): Promise<void> {
    const settle = (state: 'done' | 'failed', problem?: string) =>
      markRelayed(client, job.id, { state, ...(problem !== undefined && { problem }) })
    const policy: Policy<{ state: 'done' | 'failed'; problem?: string }> = {
      patienceMs,
      waits: () => true,
      async look() {
        if ((await bounties.claimed(job.bounty, job.account)) >= job.amount)
          return { state: 'settled', done: { state: 'done' } }
        if (job.txHash !== null && (await sender.outcome(job.txHash)) === 'reverted')
          return { state: 'settled', done: { state: 'failed', problem: 'The contract refused it.' } }
        return 'open'
      },
      async refused(error) {
        if (error.code === 'reverted') return settle('failed', error.message)
        await markRelayed(client, job.id, {
          state: job.state,
          problem: 'The network asks too much for gas now; the claim waits.',
        })
      },
    }
    const taken = await bringOn(
      job,
      policy,
      {
        markSigned: ({ txHash }, bumps) => markRelayed(client, job.id, { state: 'sent', txHash, bumps }),
      },
      {
        async sign(bumps) {
          if (now() / 1_000 > job.deadline) throw new LedgerError('reverted', 'Its deadline has passed. Sign it again.')
          return sender.sign(job, bumps)
        },
        send: sender.send,
      },
    )
    if (taken.state === 'settled') await settle(taken.done.state, taken.done.problem)
    if (taken.state === 'sent') core.log.info({ claim: job.id, txHash: taken.txHash }, 'a claim was relayed')
  }
}
