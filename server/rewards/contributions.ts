import { LRUCache } from 'lru-cache'
import { proofBook, type ProofBook } from '../../contracts/ledger/epoch/proofs.ts'
import type { Deps } from '../deps.ts'
import { contributionsOf, rewardsOf, type ContributionRow } from '../../core/db/contributions.ts'
import { manifestOf } from '../../core/db/epochs.ts'
import type { MerkleProof, ProofOfContribute } from '../../core/protocol/index.ts'

/** Somebody's contributions, newest first, each with its proof once its epoch is confirmed (rule C3). */
export async function listContributions(deps: Deps, userId: string, limit: number): Promise<ProofOfContribute[]> {
  const contributions: ProofOfContribute[] = []
  for (const row of await contributionsOf(deps.pool, userId, limit)) {
    contributions.push({
      contributorId: userId,
      contributionType: row.kind,
      computeHours: row.milliHours / 1_000,
      dataContributed: row.kind === 'data' ? 1 : 0,
      feedbackProvided: row.id === row.feedbackId ? 1 : 0,
      qualityScore: row.quality,
      rewardTokens: row.record?.credit ?? 0,
      noCredit: row.noCredit,
      held: row.held,
      timestamp: row.timestamp.toISOString(),
      verified: row.record !== null,
      recordId: row.id,
      feedbackId: row.feedbackId,
      sessionId: row.sessionId,
      merkleProof: row.record === null ? null : await proofOf(deps, row.record),
    })
  }
  return contributions
}

export const listRewards = async (deps: Deps, userId: string) => {
  const { confirmed, pending, held, contributions } = await rewardsOf(deps.pool, userId)
  return { userId, totalRewards: confirmed, pendingRewards: pending, heldRewards: held, contributions }
}

/** Trees of the most recently requested epochs: building one reads its whole manifest. */
const books = new LRUCache<string, ProofBook>({ max: 64 })

async function proofOf(
  deps: Deps,
  { chainId, ledger, epochId, index, txHash }: NonNullable<ContributionRow['record']>,
): Promise<MerkleProof> {
  const key = `${chainId}/${ledger}/${epochId}/${txHash}`
  let book = books.get(key)
  if (book === undefined) {
    const manifest = await manifestOf(deps.pool, chainId, ledger, epochId)
    if (manifest === null) throw new Error(`epoch ${epochId} of ${ledger} has a record and no manifest`)
    book = proofBook(manifest, txHash)
    books.set(key, book)
  }
  return book.proof(index)
}
