// The recorder's ports: the log, and the chain.

import type { Address, Hex } from '../hex.ts'
import type { Move } from './balances.ts'
import type { BuiltEpoch, EpochRoots } from './epoch.ts'
import type { ContributionRecord, LedgerId } from './leaf.ts'
import type { Market, Offer } from './payout.ts'

/** Where an epoch stands on chain. */
export type Inclusion = { txHash: Hex; blockNumber: bigint; blockHash: Hex }

/** An epoch as persisted: roots, the block above which it is recorded, and the last transaction sent. */
export type PendingEpoch = EpochRoots & { block: bigint; txHash: Hex | null }

/** A bounty's key, and the fields that make up its id. */
export type BountyKey = Pick<Offer, 'bounty' | 'session' | 'sponsor' | 'token'>

/** The log's side. Each function is one transaction. */
export interface EpochStore {
  /**
   * Settled records in no epoch of any ledger, oldest feedback first, at most
   * `limit`. Settled: neither withdrawn nor withdrawable any more, and either used
   * by a step or no longer usable, since its credit depends on that.
   */
  unrecorded(limit: number): Promise<readonly ContributionRecord[]>
  /** Their number, and the age of the oldest; 0 and 0 for none. */
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
  /** May be called again for a confirmed epoch, with another inclusion. */
  markConfirmed(ledger: LedgerId, epochId: number, inclusion: Inclusion): Promise<void>
  /** This ledger's epochs, ascending, that are unconfirmed or have an id above `chainEpoch`, the chain's newest. */
  pending(ledger: LedgerId, chainEpoch: number): Promise<readonly PendingEpoch[]>
  /**
   * Gives up this ledger's epochs above `chainEpoch` that were built before the
   * last of `rejections` upheld disputes: keeps their content, and frees their records
   * and ids. Returns their number.
   */
  reject(ledger: LedgerId, chainEpoch: number, rejections: number): Promise<number>
}

/** The chain's side: `openLedger` in chain.ts. Every function may throw `unreachable`. */
export interface LedgerChain {
  readonly ledger: LedgerId
  /** The distributor that pays by this ledger; null if there is none. */
  readonly distributor: Address | null
  /** Throws `wrong-chain` or `ledger-missing`. */
  check(): Promise<void>
  /**
   * The newest epoch, 0 before the first; how many disputes were upheld, and how many of those decisions are confirmed.
   */
  state(): Promise<{ lastEpochId: number; rejections: number; settledRejections: number }>
  epoch(epochId: number): Promise<ChainEpoch | null>
  /** These bounties as of the newest confirmed block; one that does not exist there yet is empty. */
  market(keys: readonly BountyKey[]): Promise<Market>
  /**
   * Signs the epoch's transaction for the account's next unconfirmed nonce, so that it
   * replaces whatever is pending there. Each bump adds a quarter to the fee, up to the cap. Throws `reverted` where the
   * contract would refuse, and `fee-too-high` where the network asks for more than the cap.
   */
  sign(epoch: EpochRoots, bumps: number): Promise<{ raw: Hex; txHash: Hex }>
  /**
   * `sent` also if the node already has it; `underpriced` if another is pending at its nonce with as high a fee.
   */
  send(raw: Hex): Promise<'sent' | 'underpriced'>
  /** Whether the transaction is pending: known to the node, and in no block. */
  isWaiting(txHash: Hex): Promise<boolean>
  /** Where the epoch was recorded; found by `txHash` if that transaction recorded it, else by its event. */
  inclusion(epoch: PendingEpoch, txHash: Hex | null): Promise<(Inclusion & { confirmed: boolean }) | null>
}

/** An epoch as stored by the contract, with the first 20 bytes of the manifest hash. */
export type ChainEpoch = Omit<EpochRoots, 'rejections'> & {
  /** Seconds since 1970. */
  submittedAt: number
  finalAt: number
}
