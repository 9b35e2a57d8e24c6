import type { BountyChain } from '../../contracts/ledger/client/bounties.ts'
import { bringOn, type Policy, type Signed } from '../../contracts/ledger/client/outbox.ts'
import { LedgerError } from '../../contracts/ledger/errors.ts'
import type { ClaimSender } from './claim-sender.ts'
import type { Deps } from '../deps.ts'
import { markRelayed, nextRelayed, type RelayJob } from '../../core/db/relayed-claims.ts'
import { inTurn } from '../../core/db/advisory-lock.ts'

/** A transaction not mined after this long is sent again with a higher fee, milliseconds. */
const PATIENCE_MS = 30_000

export interface RelayerDeps {
  deps: Pick<Deps, 'pool' | 'log'>
  bounties: BountyChain
  sender: ClaimSender
  now?: () => number
  patienceMs?: number
}

/**
 * Advances the oldest waiting claim by one step: signs and stores, sends, checks whether a block
 * has it. One claim is in progress at a time and each takes the account's next free nonce, so
 * nothing is sent twice and nothing is stuck behind a nonce gap, wherever this was interrupted.
 * Returns whether there was anything to do. Only one of several servers does it.
 *
 * @throws LedgerError unreachable
 */
export async function relayNext({
  deps,
  bounties,
  sender,
  now = Date.now,
  patienceMs = PATIENCE_MS,
}: RelayerDeps): Promise<boolean> {
  return inTurn(deps.pool, 'attune:relayer', async (client) => {
    const job = await nextRelayed(client, bounties)
    if (job === null) return false
    const mark: Mark = (change) => markRelayed(client, job.id, change)
    const policy: Policy<Change> = { patienceMs, waits: () => true, ...judged({ bounties, sender }, job, mark) }
    const store = { markSigned: ({ txHash }: Signed, bumps: number) => mark({ state: 'sent', txHash, bumps }) }
    const step = await bringOn(job, policy, store, {
      async sign(bumps) {
        if (now() / 1_000 > job.deadline) throw new LedgerError('reverted', 'Its deadline has passed. Sign it again.')
        return sender.sign(job, bumps)
      },
      send: sender.send,
    })
    if (step.state === 'settled') await mark(step.done)
    if (step.state === 'sent') deps.log.info({ claim: job.id, txHash: step.txHash }, 'a claim was relayed')
    return true
  })
}

type Change = Parameters<typeof markRelayed>[2]
type Mark = (change: Change) => Promise<void>

/** A claim is settled once the contract has paid that much, whoever sent it; the contract pays it once. */
function judged(
  { bounties, sender }: Pick<RelayerDeps, 'bounties' | 'sender'>,
  job: RelayJob,
  mark: Mark,
): Pick<Policy<Change>, 'look' | 'refused'> {
  return {
    async look() {
      if ((await bounties.claimed(job.bounty, job.account)) >= job.amount)
        return { state: 'settled', done: { state: 'done' } }
      if (job.txHash !== null && (await sender.outcome(job.txHash)) === 'reverted')
        return { state: 'settled', done: { state: 'failed', problem: 'The contract refused it.' } }
      return 'open'
    },
    refused: ({ code, message }) =>
      mark(
        code === 'reverted'
          ? { state: 'failed', problem: message }
          : { state: job.state, problem: 'The network asks too much for gas now; the claim waits.' },
      ),
  }
}
