/** What a person has contributed, with what came of each: receipt, appeal, epoch, proof. Pure. */
import type { HumanFeedback, ProofOfContribute, Receipt } from '../../server/protocol.ts'
import type { Appeal } from '../../server/protocol-rewards.ts'

export interface Contribution {
  id: string
  kind: ProofOfContribute['contributionType']
  sessionId: string
  timestamp: string
  /** The vote that it is; null for any other contribution. */
  vote: HumanFeedback | null
  receipt: Receipt | null
  appeal: Appeal | null
  proof: ProofOfContribute['merkleProof']
  /** Points, once it is on the chain. */
  credit: number
}

export interface Totals {
  votes: number
  /** By a step that changed the model. */
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
  appeals: readonly Appeal[],
): Contribution[] {
  const receiptOf = new Map(receipts.map((receipt) => [receipt.feedbackId, receipt]))
  const voteOf = new Map(votes.map((vote) => [vote.id, vote]))
  const appealOf = new Map(appeals.map((appeal) => [appeal.feedbackId, appeal]))
  return contributions
    .map((contribution) => ({
      id: contribution.recordId,
      kind: contribution.contributionType,
      sessionId: contribution.sessionId,
      timestamp: contribution.timestamp,
      vote: voteOf.get(contribution.recordId) ?? null,
      receipt: receiptOf.get(contribution.recordId) ?? null,
      appeal: appealOf.get(contribution.recordId) ?? null,
      proof: contribution.merkleProof,
      credit: contribution.rewardTokens,
    }))
    .filter((contribution) => !contribution.vote?.withdrawn)
    .sort((a, b) => b.timestamp.localeCompare(a.timestamp))
}

export function totals(contributions: readonly Contribution[]): Totals {
  const latencies = contributions.flatMap((c) => (c.receipt && c.receipt.updated !== false ? [c.receipt.latencyMs] : [])).sort((a, b) => a - b)
  return {
    votes: contributions.filter((c) => c.vote).length,
    used: latencies.length,
    onChain: contributions.filter((c) => c.proof).length,
    credit: contributions.reduce((sum, c) => sum + c.credit, 0),
    latencyMs: latencies[Math.floor(latencies.length / 2)] ?? null,
  }
}

/** What a contribution that is no vote is, in words. */
export const kindTitles: Record<Contribution['kind'], string> = {
  feedback: 'What an upheld appeal added to a vote',
  validation: 'You decided an appeal',
  training: 'Training',
  compute: 'Compute time',
  data: 'Data',
}
