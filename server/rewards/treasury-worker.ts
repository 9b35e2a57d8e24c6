import { bringOn, type Policy } from '../../contracts/ledger/client/outbox.ts'
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
    await step(client, job)
    return true
  })

  async function step(client: Db, job: OrderJob): Promise<void> {
    let next = 0
    const nonce = (): number => job.nonce ?? next
    const policy: Policy<{ state: 'done' | 'failed'; problem?: string }> = {
      patienceMs,
      waits: () => true,
      async look() {
        // Before the receipts are looked for: what took the nonce by now has one by then.
        next = await sender.nonce()
        for (const txHash of job.txHashes) {
          const outcome = await sender.outcome(txHash)
          if (outcome === 'success') return { state: 'settled', done: { state: 'done' } }
          if (outcome === 'reverted')
            return { state: 'settled', done: { state: 'failed', problem: 'The contract refused it.' } }
        }
        // It might still turn up at a node that is behind: a person looks, and orders again.
        return next > nonce() ? { state: 'settled', done: { state: 'failed', problem: OVERTAKEN } } : 'open'
      },
      async refused(error) {
        if (error.code === 'reverted' && job.nonce === null)
          return markOrder(client, job.id, { state: 'failed', problem: `It would fail: ${error.message}.` })
        await markOrder(client, job.id, {
          problem:
            error.code === 'fee-too-high'
              ? 'The network asks too much for gas now; it waits.'
              : 'It waits for a block.',
        })
      },
    }
    const sent = { txHash: job.txHashes.at(-1) ?? null, ageMs: job.ageMs, bumps: Math.max(0, job.txHashes.length - 1) }
    const taken = await bringOn(
      sent,
      policy,
      {
        markSigned: ({ txHash }) => markSigned(client, job.id, nonce(), txHash),
      },
      {
        sign: (bumps) => sender.sign(job, nonce(), bumps),
        send: sender.send,
      },
    )
    if (taken.state === 'settled') await markOrder(client, job.id, taken.done)
    if (taken.state === 'sent')
      core.log.info({ order: job.id, what: job.what, txHash: taken.txHash }, 'the treasury has sent a transaction')
  }
}

const OVERTAKEN =
  'Another transaction of the treasury’s account took its place. See that it was not made before you order it again.'
