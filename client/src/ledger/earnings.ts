/** What somebody has earned from a bounty, and where it stands. Pure. */
import type { Earning, RelayedClaim } from '../../../core/protocol/index.ts'

/** All in the token's smallest unit; they add up to what was earned. */
export interface Parts {
  /** By epochs that are not final yet. */
  pending: bigint
  /** Can be claimed now. */
  claimable: bigint
  /** Final, and earned before a wallet was linked: it moves there with a later epoch. */
  waiting: bigint
  claimed: bigint
}

/** Null while the chain is unreachable: then nobody knows. */
export function partsOf({ earned, final, claimed, claim }: Earning): Parts | null {
  if (final === null || claimed === null) return null
  const paid = BigInt(claimed)
  const claimable = claim === null ? 0n : BigInt(claim.amount) - paid
  const waiting = BigInt(final) - paid - claimable
  return { pending: BigInt(earned) - BigInt(final), claimable, waiting: waiting > 0n ? waiting : 0n, claimed: paid }
}

export const underWay = (relayed: RelayedClaim | null): boolean =>
  relayed?.state === 'waiting' || relayed?.state === 'sent'

/** The status of a claim that was given to the relayer. */
export function relayedText({ state, problem }: RelayedClaim): string {
  switch (state) {
    case 'waiting':
      return `Your signed claim waits to be sent. ${problem ?? 'You can close this page.'}`
    case 'sent':
      return 'Your signed claim was sent and will be in a block in a moment:'
    case 'done':
      return 'Your signed claim was paid:'
    case 'failed':
      return `Your signed claim was not paid. ${problem ?? 'Claim again.'}`
  }
}
