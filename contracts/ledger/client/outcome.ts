import { type Hex, TransactionReceiptNotFoundError } from 'viem'
import { type ChainClient, named } from './chain.ts'

/** What became of a transaction; null while no block holds it. @throws LedgerError unreachable */
export const outcomeOf = (client: ChainClient, hash: Hex): Promise<'success' | 'reverted' | null> =>
  named(async () => {
    try {
      return (await client.getTransactionReceipt({ hash })).status
    } catch (error) {
      if (error instanceof TransactionReceiptNotFoundError) return null
      throw error
    }
  })
