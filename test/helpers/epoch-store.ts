import type { Address } from 'viem'
import { LedgerError } from '../../contracts/errors.ts'
import type { BuiltEpoch } from '../../contracts/epoch.ts'
import type { ContributionRecord, LedgerId } from '../../contracts/leaf.ts'
import type { EpochStore, Inclusion, PendingEpoch } from '../../contracts/recorder.ts'

/**
 * An EpochStore over arrays, which outlive the recorders that use it as a
 * database does. The rules that every store keeps are in
 * test/contracts/epoch-store.ts.
 */
export function memoryEpochStore(): MemoryEpochStore {
  const log: ContributionRecord[] = []
  const links = new Map<string, Address>()
  const epochs: (BuiltEpoch & { txHash: PendingEpoch['txHash']; inclusion: Inclusion | null })[] = []
  const taken = new Set<string>()

  const of = (ledger: LedgerId) =>
    epochs.filter((epoch) => epoch.ledger.chainId === ledger.chainId && epoch.ledger.ledger === ledger.ledger)
  const find = (ledger: LedgerId, epochId: number) => {
    const found = of(ledger).find((epoch) => epoch.epochId === epochId)
    if (found === undefined) throw new Error(`there is no epoch ${epochId}`)
    return found
  }

  return {
    epochs,
    async add(...records) {
      log.push(...records)
    },
    async link(contributorId, walletAddress) {
      links.set(contributorId, walletAddress)
    },
    async unrecorded(limit) {
      return log.filter(({ recordId }) => !taken.has(recordId)).slice(0, limit)
    },
    async wallets(contributorIds) {
      return contributorIds.flatMap((contributorId) => {
        const walletAddress = links.get(contributorId)
        return walletAddress === undefined ? [] : [{ contributorId, walletAddress }]
      })
    },
    async lastEpoch(ledger) {
      return of(ledger).at(-1) ?? null
    },
    async saveBuilt(epoch) {
      const repeated = epoch.leaves.find(({ recordId }) => taken.has(recordId))
      if (repeated !== undefined || of(epoch.ledger).some(({ epochId }) => epochId === epoch.epochId)) {
        throw new LedgerError('record-twice', `epoch ${epoch.epochId} or a record of it is stored already`)
      }
      for (const { recordId } of epoch.leaves) taken.add(recordId)
      epochs.push({ ...epoch, txHash: null, inclusion: null })
    },
    async markSent(ledger, epochId, txHash) {
      find(ledger, epochId).txHash = txHash
    },
    async markConfirmed(ledger, epochId, inclusion) {
      Object.assign(find(ledger, epochId), { txHash: inclusion.txHash, inclusion })
    },
    async pending(ledger, chainEpoch) {
      return of(ledger).filter(({ inclusion, epochId }) => inclusion === null || epochId > chainEpoch)
    },
  }
}

export type MemoryEpochStore = EpochStore & {
  readonly epochs: readonly (BuiltEpoch & { txHash: PendingEpoch['txHash']; inclusion: Inclusion | null })[]
  add(...records: ContributionRecord[]): Promise<void>
  link(contributorId: string, walletAddress: Address): Promise<void>
}
