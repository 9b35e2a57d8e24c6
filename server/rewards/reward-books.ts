import { LRUCache } from 'lru-cache'
import { rewardBook, type RewardBook } from '../../contracts/ledger/epoch/proofs.ts'
import { manifestHashOf, manifestOf } from '../../core/db/epochs.ts'
import type { Pool } from '../../core/db/pool.ts'

/**
 * What everybody had earned by an epoch of this ledger; null if it is not recorded. Building one reads the whole
 * manifest, so the last few are cached.
 */
export async function bookOf(
  pool: Pool,
  { chainId, ledger }: { chainId: number; ledger: string },
  epochId: number,
): Promise<RewardBook | null> {
  const hash = await manifestHashOf(pool, chainId, ledger, epochId)
  if (hash === null) return null
  const kept = books.get(hash)
  if (kept !== undefined) return kept
  const manifest = await manifestOf(pool, chainId, ledger, epochId)
  if (manifest === null) return null
  const book = rewardBook(manifest)
  books.set(hash, book)
  return book
}

/** The newest final epoch's, the newest epoch's, and those before. */
const books = new LRUCache<string, RewardBook>({ max: 4 })
