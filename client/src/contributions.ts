/** A person's votes with what came of each: receipt, epoch, proof. Pure. */
import type { HumanFeedback, ProofOfContribute, Receipt } from '../../server/protocol.ts'

export interface Contribution {
  feedbackId: string
  sessionId: string
  timestamp: string
  vote: HumanFeedback | null
  receipt: Receipt | null
  proof: ProofOfContribute['merkleProof']
  /** Points, once it is on the chain. */
  credit: number
}

export interface Totals {
  votes: number
  used: number
  onChain: number
  credit: number
  /** The middle one of the latencies, milliseconds; null without any. */
  latencyMs: number | null
}

/** Joined by the vote's id, newest first. */
export function joined(
  contributions: readonly ProofOfContribute[],
  receipts: readonly Receipt[],
  votes: readonly HumanFeedback[],
): Contribution[] {
  const receiptOf = new Map(receipts.map((receipt) => [receipt.feedbackId, receipt]))
  const voteOf = new Map(votes.map((vote) => [vote.id, vote]))
  return contributions
    .map((contribution) => ({
      feedbackId: contribution.feedbackId,
      sessionId: contribution.sessionId,
      timestamp: contribution.timestamp,
      vote: voteOf.get(contribution.feedbackId) ?? null,
      receipt: receiptOf.get(contribution.feedbackId) ?? null,
      proof: contribution.merkleProof,
      credit: contribution.rewardTokens,
    }))
    .filter((contribution) => !contribution.vote?.withdrawn)
    .sort((a, b) => b.timestamp.localeCompare(a.timestamp))
}

export function totals(contributions: readonly Contribution[]): Totals {
  const latencies = contributions.flatMap((c) => (c.receipt ? [c.receipt.latencyMs] : [])).sort((a, b) => a - b)
  return {
    votes: contributions.length,
    used: latencies.length,
    onChain: contributions.filter((c) => c.proof).length,
    credit: contributions.reduce((sum, c) => sum + c.credit, 0),
    latencyMs: latencies[Math.floor(latencies.length / 2)] ?? null,
  }
}
