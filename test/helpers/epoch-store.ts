import type { BuiltEpoch } from '../../contracts/ledger/epoch/epoch.ts'
import { LedgerError } from '../../contracts/ledger/errors.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import type { ContributionRecord, LedgerId } from '../../contracts/ledger/epoch/leaf.ts'
import type { BountyKey, EpochStore, Inclusion, PendingEpoch } from '../../contracts/ledger/epoch/ports.ts'
import { payeeOf } from './ledger.ts'

/**
 * An EpochStore over arrays, which outlive the recorders that use it as a
 * database does. The rules that every store keeps are in
 * test/contracts/epoch-store.ts.
 */
export function memoryEpochStore(): MemoryEpochStore {
  const log: ContributionRecord[] = []
  const links = new Map<Hex, Address>()
  const bounties: BountyKey[] = []
  const epochs: StoredEpoch[] = []
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
    async offer(...keys) {
      bounties.push(...keys)
    },
    async link(contributorId, walletAddress) {
      links.set(payeeOf(contributorId), walletAddress)
    },
    async unrecorded(limit) {
      return log.filter(({ recordId }) => !taken.has(recordId)).slice(0, limit)
    },
    async backlog() {
      return { records: log.length - taken.size, oldestSeconds: 0 }
    },
    async links(payees) {
      return payees.flatMap((payee) => {
        const account = links.get(payee)
        return account === undefined ? [] : [{ payee, account }]
      })
    },
    async bounties(_, distributor) {
      return distributor === null ? [] : bounties
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
    async reject(ledger, chainEpoch, rejections) {
      const rejected = of(ledger).filter((epoch) => epoch.epochId > chainEpoch && epoch.rejections < rejections)
      for (const epoch of rejected) {
        epochs.splice(epochs.indexOf(epoch), 1)
        for (const { recordId } of epoch.leaves) taken.delete(recordId)
      }
      return rejected.length
    },
  }
}

export type MemoryEpochStore = EpochStore & {
  readonly epochs: readonly StoredEpoch[]
  add(...records: ContributionRecord[]): Promise<void>
  offer(...keys: BountyKey[]): Promise<void>
  /** Takes a contributor's id: of the records that were made with it. */
  link(contributorId: string, walletAddress: Address): Promise<void>
}
type StoredEpoch = BuiltEpoch & { txHash: PendingEpoch['txHash']; inclusion: Inclusion | null }
