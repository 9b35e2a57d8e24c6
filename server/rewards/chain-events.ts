import { cursorOf, setCursor } from '../../core/db/chain-cursors.ts'
import type { Pool } from '../../core/db/pool.ts'

/** Blocks whose events are requested at a time: public nodes refuse more. */
const BLOCKS = 2_000n
/** Blocks that are read again each time: a reorganisation may have changed them. */
const AGAIN = 64n

export interface EventSource {
  chainId: number
  /** In lower case. */
  contract: string
  /** The first block that may hold anything. */
  fromBlock: bigint
  head: () => Promise<bigint>
  /** Receives the events of these blocks, both included, in ascending order. */
  read: (from: bigint, to: bigint) => Promise<void>
}

/** Reads a contract's events from where it last stopped up to the newest block. @throws LedgerError unreachable */
export async function readOn(
  pool: Pool,
  { chainId, contract, fromBlock, head: newest, read }: EventSource,
): Promise<void> {
  const head = await newest()
  const cursor = (await cursorOf(pool, chainId, contract)) ?? fromBlock
  // A chain that was reset may be behind the cursor.
  const seen = cursor < head ? cursor : head
  for (let from = seen > fromBlock + AGAIN ? seen - AGAIN : fromBlock; from <= head; from += BLOCKS) {
    const to = from + BLOCKS - 1n < head ? from + BLOCKS - 1n : head
    await read(from, to)
    await setCursor(pool, chainId, contract, to)
  }
}
