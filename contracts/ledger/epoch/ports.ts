// What the recorder needs of the world: the log, and the chain.

import type { Address, Hex } from '../hex.ts'
import type { Move } from './balances.ts'
import type { BuiltEpoch, EpochRoots } from './epoch.ts'
import type { ContributionRecord, LedgerId } from './leaf.ts'
import type { Market, Offer } from './payout.ts'

/** Where an epoch stands on chain. */
export type Inclusion = { txHash: Hex; blockNumber: bigint; blockHash: Hex }

/** An epoch as persisted: roots, the block above which it is recorded, and the transaction sent last. */
export type PendingEpoch = EpochRoots & { block: bigint; txHash: Hex | null }

/** What names a bounty, and what its id is made of. */
export type BountyKey = Pick<Offer, 'bounty' | 'session' | 'sponsor' | 'token'>

/** The log's side. Each function is one transaction. */
export interface EpochStore {
  /**
   * Settled records in no epoch of any ledger, oldest feedback first, at most
   * `limit`. Settled: neither withdrawn nor still to be withdrawn, and either
   * used by a step or past being used, since its credit depends on that.
   */
  unrecorded(limit: number): Promise<readonly ContributionRecord[]>
  /** How many records that is, and how long the oldest has been waiting; 0 and 0 for none. */
  backlog(): Promise<{ records: number; oldestSeconds: number }>
  /** Of these payees, those who have an account now. */
  links(payees: readonly Hex[]): Promise<readonly Move[]>
  /** Bounties that are known to this installation, of one distributor; none for null. */
  bounties(chainId: number, distributor: Address | null): Promise<readonly BountyKey[]>
  /** The newest epoch of this ledger, in whatever state; null before the first. */
  lastEpoch(ledger: LedgerId): Promise<{ epochId: number; manifest: string } | null>
  /**
   * Persists an epoch and assigns its records to it, all or nothing. Throws
   * `record-twice` where a record is in an epoch already (rule C1), or the
   * epoch id is taken for this ledger.
   */
  saveBuilt(epoch: BuiltEpoch): Promise<void>
  markSent(ledger: LedgerId, epochId: number, txHash: Hex): Promise<void>
  /** May come again for an epoch that was confirmed before, with another inclusion. */
  markConfirmed(ledger: LedgerId, epochId: number, inclusion: Inclusion): Promise<void>
  /** This ledger's epochs, ascending, that are unconfirmed or have an id above `chainEpoch`, the chain's newest. */
  pending(ledger: LedgerId, chainEpoch: number): Promise<readonly PendingEpoch[]>
  /**
   * Gives up this ledger's epochs above `chainEpoch` that were built before the
   * last of `rejections` upheld disputes: keeps what they were, and frees their
   * records and ids. Gives their number.
   */
  reject(ledger: LedgerId, chainEpoch: number, rejections: number): Promise<number>
}

/** The chain's side: `openLedger` in chain.ts. Every function may throw `unreachable`. */
export interface LedgerChain {
  readonly ledger: LedgerId
  /** What pays by this ledger; null where nothing does. */
  readonly distributor: Address | null
  /** Throws `wrong-chain` or `ledger-missing`. */
  check(): Promise<void>
  /**
   * The newest epoch, 0 before the first; how many disputes were upheld, and how many of those decisions are confirmed.
   */
  state(): Promise<{ lastEpochId: number; rejections: number; settledRejections: number }>
  epoch(epochId: number): Promise<ChainEpoch | null>
  /** These bounties as the newest confirmed block has them; one that it does not have yet is empty. */
  market(keys: readonly BountyKey[]): Promise<Market>
  /**
   * Signs the epoch's transaction for the account's next free nonce, so that it
   * takes the place of whatever waits there. Each bump adds a quarter to the fee,
   * up to the cap. Throws `reverted` where the contract would refuse, and
   * `fee-too-high` where the network asks for more than the cap.
   */
  sign(epoch: EpochRoots, bumps: number): Promise<{ raw: Hex; txHash: Hex }>
  /**
   * `sent` as well where the node has it already; `underpriced` where another waits at its nonce with as high a fee.
   */
  send(raw: Hex): Promise<'sent' | 'underpriced'>
  /** Whether the node knows the transaction and no block holds it yet. */
  isWaiting(txHash: Hex): Promise<boolean>
  /** Where the epoch was recorded; found by `txHash` where that did it, else by its event. */
  inclusion(epoch: PendingEpoch, txHash: Hex | null): Promise<(Inclusion & { confirmed: boolean }) | null>
}

/** An epoch as the contract holds it; the manifest hash keeps its first 20 bytes. */
export type ChainEpoch = Omit<EpochRoots, 'rejections'> & {
  /** Seconds since 1970. */
  submittedAt: number
  finalAt: number
}
