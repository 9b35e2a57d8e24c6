// What has to reach the chain once, however and whenever this process ends: look, sign, store, send; look again, and
// raise the fee. The recorder's epochs, relayed claims and the treasury's orders all go out by this one step.

import { LedgerError } from '../errors.ts'
import type { Hex } from '../hex.ts'

/**
 * Advances a matter by one step.
 *
 * Nothing is sent that was not stored before, so that after any crash the next step looks for it;
 * and nothing is signed before the chain was asked whether the matter is settled. That something
 * still goes out only once is ensured by the nonce: what is signed again has the same one, or the
 * contract accepts the matter once (an epoch's id, a claim's amount).
 *
 * @throws LedgerError `unreachable`; what `sign` throws, if the policy has no `refused`
 */
export async function bringOn<Done>(
  { txHash, ageMs, bumps }: Sent,
  policy: Policy<Done>,
  store: OutboxStore,
  sender: OutboxSender,
): Promise<Step<Done>> {
  // In this order: if a block includes it in between, it is seen as settled.
  const waits = txHash !== null && (await policy.waits(txHash))
  const seen = await policy.look()
  if (seen !== 'open') return seen
  if (waits && ageMs < policy.patienceMs) return { state: 'waits' }
  const bid = waits ? bumps + 1 : bumps
  let signed: Signed
  try {
    signed = await sender.sign(bid)
  } catch (error) {
    if (!(error instanceof LedgerError) || error.code === 'unreachable') throw error
    // A block may have taken it since the look: the contract then refuses it for being settled.
    const now = await policy.look()
    if (now !== 'open') return now
    if (policy.refused === undefined) throw error
    await policy.refused(error)
    return { state: 'refused' }
  }
  await store.markSigned(signed, bid)
  const isTaken = (await sender.send(signed.raw)) === 'sent'
  return { state: 'sent', txHash: signed.txHash, replaced: waits && isTaken, bumps: isTaken ? bid : bid + 1 }
}

/** Its progress: the transaction that was stored last, since when, and how often its fee was raised. */
export type Sent = { txHash: Hex | null; ageMs: number; bumps: number }

/** How a kind of matter is judged. */
export type Policy<Done> = {
  /**
   * A transaction that no block has included after this long is replaced by one that bids a quarter more, milliseconds.
   */
  patienceMs: number
  /** Whether the transaction may still get into a block; otherwise it is signed anew at once. */
  waits(txHash: Hex): Promise<boolean> | boolean
  /** What the chain says of the matter: `held` where a block has it, but not finally yet. */
  look(): Promise<Settled<Done> | { state: 'held' } | 'open'>
  /** Handles what the contract, or the fee cap, had against signing; without it, that error is thrown. */
  refused?(error: LedgerError): Promise<void>
}
export type Settled<Done> = { state: 'settled'; done: Done }

export type Signed = { raw: Hex; txHash: Hex }
export type OutboxStore = { markSigned(signed: Signed, bumps: number): Promise<void> }
export type OutboxSender = {
  sign(bumps: number): Promise<Signed>
  send(raw: Hex): Promise<'sent' | 'underpriced'>
}

export type Step<Done> =
  | Settled<Done>
  | { state: 'held' | 'waits' | 'refused' }
  /** `replaced`: it took the place of another; `bumps` is what the next transaction starts from. */
  | { state: 'sent'; txHash: Hex; replaced: boolean; bumps: number }
