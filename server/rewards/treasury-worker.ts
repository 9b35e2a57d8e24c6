import { bringOn, type Policy, type Signed } from '../../contracts/ledger/client/outbox.ts'
import type { Deps } from '../deps.ts'
import { markOrder, markSigned, nextOrder, type OrderJob } from '../../core/db/treasury-orders.ts'
import { inTurn } from '../../core/db/advisory-lock.ts'
import type { TreasurySender } from './treasury-sender.ts'

/** A transaction not mined after this long is sent again with a higher fee, milliseconds. */
const PATIENCE_MS = 30_000

export interface TreasurerDeps {
  deps: Pick<Deps, 'pool' | 'log'>
  chainId: number
  sender: TreasurySender
  patienceMs?: number
}

/**
 * Advances the treasury's oldest order by one step: signs and stores, sends, checks whether a block
 * has it. An order keeps the nonce that it was first signed with, whatever happens in between, so
 * that money leaves at most once. Returns whether there was anything to do. Only one of several
 * servers does it.
 *
 * @throws LedgerError unreachable
 */
export async function treasuryNext({
  deps,
  chainId,
  sender,
  patienceMs = PATIENCE_MS,
}: TreasurerDeps): Promise<boolean> {
  return inTurn(deps.pool, 'attune:treasurer', async (client) => {
    const job = await nextOrder(client, chainId)
    if (job === null) return false
    const mark: Mark = (change) => markOrder(client, job.id, change)
    const { nonce, ...policy } = judged(sender, job, mark)
    const sent = { txHash: job.txHashes.at(-1) ?? null, ageMs: job.ageMs, bumps: Math.max(0, job.txHashes.length - 1) }
    const store = { markSigned: ({ txHash }: Signed) => markSigned(client, job.id, nonce(), txHash) }
    const step = await bringOn(sent, { patienceMs, waits: () => true, ...policy }, store, {
      sign: (bumps) => sender.sign(job, nonce(), bumps),
      send: sender.send,
    })
    if (step.state === 'settled') await mark(step.done)
    if (step.state === 'sent')
      deps.log.info({ order: job.id, what: job.what, txHash: step.txHash }, 'the treasury has sent a transaction')
    return true
  })
}

type Change = Parameters<typeof markOrder>[2]
type Mark = (change: Change) => Promise<void>

/** An order is settled once a block has one of its transactions, or another one has its nonce: its first, or the next. */
function judged(
  sender: TreasurySender,
  job: OrderJob,
  mark: Mark,
): Pick<Policy<Change>, 'look' | 'refused'> & { nonce: () => number } {
  let next = 0
  const nonce = (): number => job.nonce ?? next
  const failed = (problem: string) => ({ state: 'settled', done: { state: 'failed', problem } }) as const
  return {
    nonce,
    async look() {
      // Read before the receipts: whatever has used the nonce by now has a receipt by then.
      next = await sender.nonce()
      for (const txHash of job.txHashes) {
        const outcome = await sender.outcome(txHash)
        if (outcome === 'success') return { state: 'settled', done: { state: 'done' } }
        if (outcome === 'reverted') return failed('The contract refused it.')
      }
      // It might still turn up at a node that is behind: a person checks, and orders again.
      return next > nonce() ? failed(OVERTAKEN) : 'open'
    },
    refused: ({ code, message }) =>
      mark(
        code === 'reverted' && job.nonce === null
          ? { state: 'failed', problem: `It would fail: ${message}.` }
          : {
              problem:
                code === 'fee-too-high' ? 'The network asks too much for gas now; it waits.' : 'It waits for a block.',
            },
      ),
  }
}

const OVERTAKEN =
  'Another transaction of the treasury’s account took its place. See that it was not made before you order it again.'
