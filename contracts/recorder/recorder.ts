// The recorder: from the log to the chain, one epoch at a time. Never on the
// path of a vote: a chain that is down only makes epochs late.

import { isAccount } from '../ledger/epoch/balances.ts'
import { type EpochRoots, buildEpoch } from '../ledger/epoch/epoch.ts'
import { LedgerError } from '../ledger/errors.ts'
import type { Hex } from '../ledger/hex.ts'
import { type Policy, bringOn } from '../ledger/client/outbox.ts'
import { readManifest } from '../ledger/epoch/manifest.ts'
import type { EpochStore, Inclusion, LedgerChain, PendingEpoch } from '../ledger/epoch/ports.ts'

/**
 * Closes epochs: build → persist → sign → persist → send → confirm → mark.
 *
 * Rule C4 rests on two things. A built epoch is persisted, whole, before it is
 * sent, and so is its transaction's hash; and before anything is sent the chain
 * is asked for that epoch id: the same content there is taken as done, other
 * content stops the recorder. So it may be killed at any await, and continues
 * with the same roots or with none. Epochs that the chain has lost again (a
 * reorganisation, an older state file) are sent again, in order, from what was
 * persisted; those that an upheld dispute took back are given up, and their
 * records wait for a new epoch.
 */
export function createRecorder(deps: RecorderDeps): Recorder {
  const { store, chain, clock, log } = deps
  const { limit = 10_000, confirmTimeoutMs = 60_000, replaceAfterMs = 30_000, pollMs = 500 } = deps
  let closing: Promise<ClosedEpoch | null> | null = null

  async function close(): Promise<ClosedEpoch | null> {
    await watchBacklog()
    await chain.check()
    const { lastEpochId, rejections, settledRejections } = await chain.state()
    if (rejections !== settledRejections) {
      log.info({ rejections }, 'an upheld dispute is too fresh to act on')
      return null
    }
    const rejected = await store.reject(chain.ledger, lastEpochId, rejections)
    if (rejected > 0)
      log.error({ epochs: rejected, from: lastEpochId + 1 }, 'a dispute was upheld: these epochs are built anew')
    for (const epoch of await store.pending(chain.ledger, lastEpochId)) {
      log.info({ epochId: epoch.epochId }, 'going on with an epoch that was built before')
      await settle(epoch)
    }
    return closeNext(rejections)
  }

  async function closeNext(rejections: number): Promise<ClosedEpoch | null> {
    const last = await store.lastEpoch(chain.ledger)
    const epochId = (last?.epochId ?? 0) + 1
    const { lastEpochId } = await chain.state()
    if (lastEpochId >= epochId) {
      throw new LedgerError(
        'ledger-ahead',
        `the ledger is at epoch ${lastEpochId}, the database at ${epochId - 1}: restore the newer database, or point CONTRACT_ADDRESS to another ledger`,
      )
    }
    const records = await store.unrecorded(limit)
    if (records.length === 0) return null
    const previous = last === null ? null : readManifest(last.manifest)
    const waiting = (previous?.balances ?? []).flatMap(({ holder }) => (isAccount(holder) ? [] : [holder]))
    const links = await store.links([...new Set(waiting)])
    const known = [...(previous?.bounties ?? []), ...(await store.bounties(chain.ledger.chainId, chain.distributor))]
    const market = await chain.market([...new Map(known.map((key) => [key.bounty, key])).values()])
    const { ledger, distributor } = chain
    const built = buildEpoch({ ledger, distributor, epochId, rejections, records, previous, links, market })
    await store.saveBuilt(built)
    const inclusion = await settle({ ...built, txHash: null })
    return { epochId, count: built.count, ...inclusion }
  }

  /** Sends if needed, with a higher fee if that takes too long; waits for confirmations; marks. */
  async function settle(epoch: PendingEpoch): Promise<Inclusion> {
    const { epochId } = epoch
    const deadline = clock.now() + confirmTimeoutMs
    let { txHash } = epoch
    let sentAt = clock.now()
    let bumps = 0
    const policy: Policy<Inclusion> = {
      patienceMs: replaceAfterMs,
      waits: chain.isWaiting,
      look: () => look(epoch, txHash),
    }
    const outbox = { markSigned: (signed: { txHash: Hex }) => store.markSent(chain.ledger, epochId, signed.txHash) }
    const sender = { sign: (bid: number) => chain.sign(epoch, bid), send: chain.send }
    for (;;) {
      const step = await bringOn({ txHash, ageMs: clock.now() - sentAt, bumps }, policy, outbox, sender)
      if (step.state === 'settled') {
        await store.markConfirmed(chain.ledger, epochId, step.done)
        log.info({ epochId, count: epoch.count, txHash: step.done.txHash }, 'epoch confirmed')
        return step.done
      }
      if (step.state === 'sent') {
        if (step.replaced)
          log.info({ epochId, bumps: step.bumps, txHash: step.txHash }, 'replaced a transaction that waited too long')
        ;({ txHash, bumps } = step)
        sentAt = clock.now()
      }
      if (clock.now() >= deadline) {
        throw new LedgerError(
          'confirmation-timeout',
          `epoch ${epochId} is ${step.state === 'held' ? 'not confirmed' : 'in no block'} after ${confirmTimeoutMs} ms; the next turn looks again`,
        )
      }
      await clock.sleep(pollMs)
    }
  }

  async function look(epoch: PendingEpoch, txHash: Hex | null): ReturnType<Policy<Inclusion>['look']> {
    const { epochId } = epoch
    const there = await chain.epoch(epochId)
    if (there === null) return 'open'
    if (!sameRoots(there, epoch)) {
      throw new LedgerError(
        'epoch-mismatch',
        `epoch ${epochId} of ledger ${chain.ledger.ledger} holds other content than was built here: is another recorder writing to it?`,
      )
    }
    const found = await chain.inclusion(epoch, txHash)
    if (!found?.confirmed) return { state: 'held' }
    return {
      state: 'settled',
      done: { txHash: found.txHash, blockNumber: found.blockNumber, blockHash: found.blockHash },
    }
  }

  async function watchBacklog(): Promise<void> {
    const { maxBacklog = 5 * limit, maxBacklogSeconds = 3 * 3600 } = deps
    const { records, oldestSeconds } = await store.backlog()
    if (records > maxBacklog || oldestSeconds > maxBacklogSeconds) {
      log.error(
        { records, oldestSeconds },
        'the backlog has grown past its limit: look at the chain, the fees and the balance of the recorder’s account',
      )
    }
  }

  return {
    closeEpoch() {
      closing ??= close().finally(() => {
        closing = null
      })
      return closing
    },
  }
}

export type Recorder = {
  /**
   * First settles what earlier calls left, then closes one epoch over the waiting
   * records; null if there are none. A call while another runs joins it. Throws
   * `LedgerError`; whatever it throws, calling it again is safe.
   */
  closeEpoch(): Promise<ClosedEpoch | null>
}

export type ClosedEpoch = Inclusion & { epochId: number; count: number }

export type RecorderDeps = {
  store: EpochStore
  chain: LedgerChain
  clock: { now(): number; sleep(ms: number): Promise<void> }
  log: { info(fields: object, message: string): void; error(fields: object, message: string): void }
  /** Maximum number of records in an epoch. */
  limit?: number
  confirmTimeoutMs?: number
  /** How long a transaction may wait in the pool before one with a higher fee replaces it. */
  replaceAfterMs?: number
  pollMs?: number
  /** The backlog above which a warning is raised: records, and the age of the oldest in seconds. */
  maxBacklog?: number
  maxBacklogSeconds?: number
}

function sameRoots(there: Omit<EpochRoots, 'epochId' | 'rejections'>, built: EpochRoots): boolean {
  return (
    there.contributionsRoot === built.contributionsRoot &&
    there.rewardsRoot === built.rewardsRoot &&
    built.manifestHash.startsWith(there.manifestHash) &&
    there.count === built.count
  )
}
