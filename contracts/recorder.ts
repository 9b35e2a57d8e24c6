// The recorder: from the log to the chain, one epoch at a time. Never on the
// path of a vote: a chain that is down only makes epochs late.

import type { Hex } from 'viem'
import { type Balances, NO_BALANCES, type WalletLink } from './balances.ts'
import { type BuiltEpoch, type EpochRoots, buildEpoch } from './epoch.ts'
import { LedgerError } from './errors.ts'
import type { ContributionRecord, LedgerId } from './leaf.ts'

/**
 * Closes epochs: build → persist → send → confirm → mark.
 *
 * Rule C4 rests on two things. A built epoch is persisted, whole, before it is
 * sent; and before anything is sent the chain is asked for that epoch id: the
 * same content there is taken as done, other content stops the recorder. So it
 * may be killed at any await, and goes on with the same roots or with none.
 * Epochs that the chain has lost again (a reorganisation, an older state file)
 * are sent again, in order, from what was persisted.
 */
export function createRecorder(deps: RecorderDeps): Recorder {
  const { store, chain, clock, log } = deps
  const { limit = 10_000, confirmations = 1, confirmTimeoutMs = 60_000, pollMs = 500 } = deps
  let closing: Promise<ClosedEpoch | null> | null = null

  async function close(): Promise<ClosedEpoch | null> {
    await chain.check()
    for (const epoch of await store.pending(chain.ledger, await chain.lastEpochId())) {
      log.info({ epochId: epoch.epochId }, 'going on with an epoch that was built before')
      await settle(epoch)
    }
    const last = await store.lastEpoch(chain.ledger)
    const next = (last?.epochId ?? 0) + 1
    const onChain = await chain.lastEpochId()
    if (onChain >= next) {
      throw new LedgerError(
        'ledger-ahead',
        `the ledger is at epoch ${onChain}, the database at ${next - 1}: restore the newer database, or point CONTRACT_ADDRESS to another ledger`,
      )
    }
    const records = await store.unrecorded(limit)
    if (records.length === 0) return null
    const balances = last?.balances ?? NO_BALANCES
    const links = await store.wallets(balances.unlinked.map(({ contributorId }) => contributorId))
    const rejections = await chain.rejections()
    const built = buildEpoch({ ledger: chain.ledger, epochId: next, rejections, records, balances, links })
    await store.saveBuilt(built)
    const inclusion = await settle({ ...built, txHash: null })
    return { epochId: built.epochId, count: built.count, ...inclusion }
  }

  /** Sends where needed, waits for confirmations, marks. */
  async function settle(epoch: PendingEpoch): Promise<Inclusion> {
    const { epochId } = epoch
    let { txHash } = epoch
    const there = await chain.epoch(epochId)
    if (there !== null && !sameRoots(there, epoch)) {
      throw new LedgerError(
        'epoch-mismatch',
        `epoch ${epochId} of ledger ${chain.ledger.ledger} holds other content than was built here: is another recorder writing to it?`,
      )
    }
    if (there === null && (txHash === null || !(await chain.isWaiting(txHash)))) {
      txHash = await chain.submit(epoch)
      await store.markSent(chain.ledger, epochId, txHash)
    }
    const inclusion = await confirmed(epochId, txHash)
    await store.markConfirmed(chain.ledger, epochId, inclusion)
    log.info({ epochId, count: epoch.count, txHash: inclusion.txHash }, 'epoch confirmed')
    return inclusion
  }

  async function confirmed(epochId: number, txHash: Hex | null): Promise<Inclusion> {
    const deadline = clock.now() + confirmTimeoutMs
    for (;;) {
      const found = await chain.inclusion(epochId, txHash)
      if (found !== null && found.confirmations >= confirmations) {
        return { txHash: found.txHash, blockNumber: found.blockNumber, blockHash: found.blockHash }
      }
      if (clock.now() >= deadline) {
        throw new LedgerError(
          'confirmation-timeout',
          `epoch ${epochId} has ${found?.confirmations ?? 0} of ${confirmations} confirmations after ${confirmTimeoutMs} ms`,
        )
      }
      await clock.sleep(pollMs)
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
   * First settles what earlier calls left, then closes one epoch over the
   * records that wait; null where none do. A call while another runs joins it.
   * Throws `LedgerError`; whatever it throws, calling it again is safe.
   */
  closeEpoch(): Promise<ClosedEpoch | null>
}

export type ClosedEpoch = Inclusion & { epochId: number; count: number }
/** Where an epoch stands on chain. */
export type Inclusion = { txHash: Hex; blockNumber: bigint; blockHash: Hex }

export type RecorderDeps = {
  store: EpochStore
  chain: LedgerChain
  clock: { now(): number; sleep(ms: number): Promise<void> }
  log: { info(fields: object, message: string): void }
  /** Records an epoch at most. */
  limit?: number
  /** Blocks that must hold it, its own included, before an epoch counts as recorded. */
  confirmations?: number
  confirmTimeoutMs?: number
  pollMs?: number
}

/** An epoch as persisted, roots and what is known of its transaction. */
export type PendingEpoch = EpochRoots & { txHash: Hex | null }

/** The log's side. Each function is one transaction. */
export interface EpochStore {
  /**
   * Settled records in no epoch of any ledger, oldest feedback first, at most
   * `limit`. Settled: neither withdrawn nor still to be withdrawn, and either
   * used by a step or past being used, since its credit depends on that.
   */
  unrecorded(limit: number): Promise<readonly ContributionRecord[]>
  /** Of these people, those who have a wallet now. */
  wallets(contributorIds: readonly string[]): Promise<readonly WalletLink[]>
  /** The newest epoch of this ledger, in whatever state; null before the first. */
  lastEpoch(ledger: LedgerId): Promise<{ epochId: number; balances: Balances } | null>
  /**
   * Persists an epoch and assigns its records to it, all or nothing. Throws
   * `record-twice` where a record is in an epoch already (rule C1), or the
   * epoch id is taken for this ledger. Balances of older epochs may go.
   */
  saveBuilt(epoch: BuiltEpoch): Promise<void>
  markSent(ledger: LedgerId, epochId: number, txHash: Hex): Promise<void>
  /** May come again for an epoch that was confirmed before, with another inclusion. */
  markConfirmed(ledger: LedgerId, epochId: number, inclusion: Inclusion): Promise<void>
  /** This ledger's epochs, ascending, that are unconfirmed or have an id above `chainEpoch`, the chain's newest. */
  pending(ledger: LedgerId, chainEpoch: number): Promise<readonly PendingEpoch[]>
}

/** The chain's side: `openLedger` in chain.ts. Every function may throw `unreachable`. */
export interface LedgerChain {
  readonly ledger: LedgerId
  /** Throws `wrong-chain` or `ledger-missing`. */
  check(): Promise<void>
  /** 0 before the first. */
  lastEpochId(): Promise<number>
  /** How many disputes were upheld. */
  rejections(): Promise<number>
  epoch(epochId: number): Promise<ChainEpoch | null>
  /** Sends, does not wait. Throws `reverted` where the contract would refuse. */
  submit(epoch: EpochRoots): Promise<Hex>
  /** Whether the node knows the transaction and no block holds it yet. */
  isWaiting(txHash: Hex): Promise<boolean>
  /** Where the epoch was recorded; found by `txHash` where one is known, else by its event. */
  inclusion(epochId: number, txHash: Hex | null): Promise<(Inclusion & { confirmations: number }) | null>
}

/** An epoch as the contract holds it; the manifest hash keeps its first 20 bytes. */
export type ChainEpoch = Omit<EpochRoots, 'manifestHash' | 'rejections'> & {
  manifestHash: Hex
  /** Seconds since 1970. */
  submittedAt: number
  finalAt: number
}

function sameRoots(there: ChainEpoch, built: EpochRoots): boolean {
  return (
    there.contributionsRoot === built.contributionsRoot &&
    there.rewardsRoot === built.rewardsRoot &&
    built.manifestHash.startsWith(there.manifestHash) &&
    there.count === built.count
  )
}
