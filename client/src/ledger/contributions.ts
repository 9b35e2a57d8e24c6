/** What a person has contributed, with the outcome of each: receipt, appeal, epoch, proof. Pure. */
import type { HumanFeedback, NoCredit, ProofOfContribute, Receipt, Appeal } from '../../../core/protocol/index.ts'
import { noCreditReasons } from '../../../contracts/ledger/epoch/reasons.ts'
import { plural } from '../ui/format.ts'

export interface Contribution {
  id: string
  kind: ProofOfContribute['contributionType']
  sessionId: string
  timestamp: string
  /** The vote, if it is one; null for any other contribution. */
  vote: HumanFeedback | null
  receipt: Receipt | null
  appeal: Appeal | null
  proof: ProofOfContribute['merkleProof']
  /** Points, once it is on the chain. */
  credit: number
  /** Why it has none. */
  noCredit: NoCredit | null
  /** It waits for its author to qualify. */
  held: boolean
}

export interface Totals {
  votes: number
  /** By a step that changed the model. */
  used: number
  onChain: number
  /** Points that count already, and those that wait for a qualification. */
  credit: number
  held: number
  /** The median of the latencies, milliseconds; null without any. */
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
      noCredit: contribution.noCredit,
      held: contribution.held,
    }))
    .filter((contribution) => !contribution.vote?.withdrawn)
    .sort((a, b) => b.timestamp.localeCompare(a.timestamp))
}

export function totals(contributions: readonly Contribution[]): Totals {
  const latencies = contributions
    .flatMap((c) => (c.receipt && c.receipt.updated !== false ? [c.receipt.latencyMs] : []))
    .sort((a, b) => a - b)
  return {
    votes: contributions.filter((c) => c.vote).length,
    used: latencies.length,
    onChain: contributions.filter((c) => c.proof).length,
    credit: contributions.reduce((sum, c) => sum + (c.held ? 0 : c.credit), 0),
    held: contributions.reduce((sum, c) => sum + (c.held ? c.credit : 0), 0),
    latencyMs: latencies[Math.floor(latencies.length / 2)] ?? null,
  }
}

/** What a vote earned and why, in words; null while there is nothing to report. */
export function earnedText({
  proof,
  credit,
  noCredit,
  held,
}: Pick<Contribution, 'proof' | 'credit' | 'noCredit' | 'held'>): string | null {
  if (noCredit !== null) return `It earns nothing: ${noCreditReasons[noCredit].words}`
  if (proof === null) return null
  if (held)
    return `${plural(credit, 'credit point')}, on hold until ten of your votes in this session could be compared with other people’s; they are paid then.`
  return `${plural(credit, 'credit point')}.`
}

/** Whether an appeal can make up what a vote lacks. */
export const canBePutRight = (reason: NoCredit | null): boolean => reason === null || noCreditReasons[reason].appealable

/** What a contribution other than a vote is, in words. */
export const kindTitles: Record<Contribution['kind'], string> = {
  feedback: 'What an upheld appeal added to a vote',
  validation: 'You decided an appeal',
  training: 'Training',
  compute: 'Compute time',
  data: 'Data',
}
