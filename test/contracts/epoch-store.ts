import { describe, expect, it } from 'vitest'
import type { ContributionRecord } from '../../contracts/ledger/epoch/leaf.ts'
import type { EpochStore } from '../../contracts/ledger/epoch/ports.ts'
import type { Address } from '../../contracts/ledger/hex.ts'
import { NO_MARKET, testEpoch } from '../helpers/ledger.ts'

/** What a test needs beside the store itself: a log to fill. */
export type StoreUnderTest = {
  store: EpochStore
  /** `count` settled records of new people without a wallet, in the log's order. */
  fill(count: number): Promise<readonly ContributionRecord[]>
  link(contributorId: string, walletAddress: Address): Promise<void>
}

const LEDGER = { chainId: 31_337, ledger: '0x5fbdb2315678afecb367f032d93f642f64180aa3' } as const
const INCLUSION = { txHash: `0x${'ab'.repeat(32)}`, blockNumber: 7n, blockHash: `0x${'cd'.repeat(32)}` } as const

/** The rules of an EpochStore, for each implementation; `open` gives an empty one. */
export function describeEpochStore(name: string, open: () => Promise<StoreUnderTest>): void {
  const epoch = (records: readonly ContributionRecord[], epochId = 1, ledger: typeof LEDGER = LEDGER, rejections = 0) =>
    testEpoch(ledger, records, { epochId, rejections, market: { ...NO_MARKET, block: 5n } })

  describe(`the epoch store ${name}`, () => {
    it('gives unrecorded records in the log’s order, up to the limit, the same each time', async () => {
      const { store, fill } = await open()
      const filled = await fill(3)
      expect(await store.unrecorded(10)).toEqual(filled)
      expect(await store.unrecorded(10)).toEqual(filled)
      expect(await store.unrecorded(2)).toEqual(filled.slice(0, 2))
    })

    it('C1 assigns a record to one epoch, and keeps nothing of an epoch that holds it again', async () => {
      const { store, fill } = await open()
      const [a, b, c] = await fill(3)
      if (!a || !b || !c) throw new Error('fill gave too little')
      await store.saveBuilt(epoch([a, b]))
      expect(await store.unrecorded(10)).toEqual([c])
      await expect(store.saveBuilt(epoch([c, b], 2))).rejects.toMatchObject({ code: 'record-twice' })
      expect(await store.unrecorded(10)).toEqual([c])
      expect(await store.lastEpoch(LEDGER)).toMatchObject({ epochId: 1 })
    })

    it('takes an epoch id once', async () => {
      const { store, fill } = await open()
      const [a, b] = await fill(2)
      if (!a || !b) throw new Error('fill gave too little')
      await store.saveBuilt(epoch([a]))
      await expect(store.saveBuilt(epoch([b]))).rejects.toMatchObject({ code: 'record-twice' })
      expect(await store.unrecorded(10)).toEqual([b])
    })

    it('gives back the newest epoch’s manifest, and the roots of what is pending', async () => {
      const { store, fill } = await open()
      expect(await store.lastEpoch(LEDGER)).toBeNull()
      const built = epoch(await fill(2))
      await store.saveBuilt(built)
      expect(await store.lastEpoch(LEDGER)).toMatchObject({ epochId: 1, manifest: built.manifest })
      const { epochId, contributionsRoot, rewardsRoot, manifestHash, count, rejections } = built
      const roots = { epochId, contributionsRoot, rewardsRoot, manifestHash, count, rejections }
      expect(await store.pending(LEDGER, 0)).toMatchObject([{ ...roots, block: 5n, txHash: null }])
      await store.markSent(LEDGER, 1, INCLUSION.txHash)
      expect(await store.pending(LEDGER, 0)).toMatchObject([{ ...roots, txHash: INCLUSION.txHash }])
    })

    it('has a confirmed epoch pending again only where the chain has lost it', async () => {
      const { store, fill } = await open()
      await store.saveBuilt(epoch(await fill(1)))
      await store.saveBuilt(epoch(await fill(1), 2))
      await store.markConfirmed(LEDGER, 1, INCLUSION)
      await store.markConfirmed(LEDGER, 2, INCLUSION)
      expect(await store.pending(LEDGER, 2)).toEqual([])
      expect(await store.pending(LEDGER, 1)).toMatchObject([{ epochId: 2 }])
      expect(await store.pending(LEDGER, 0)).toMatchObject([{ epochId: 1 }, { epochId: 2 }])
      await store.markConfirmed(LEDGER, 2, { ...INCLUSION, blockNumber: 9n })
    })

    it('keeps ledgers apart, but a record in one epoch of any', async () => {
      const { store, fill } = await open()
      const [a] = await fill(1)
      if (!a) throw new Error('fill gave too little')
      await store.saveBuilt(epoch([a]))
      const other = { ...LEDGER, chainId: 31_338 }
      expect(await store.lastEpoch(other)).toBeNull()
      expect(await store.pending(other, 0)).toEqual([])
      expect(await store.unrecorded(10)).toEqual([])
    })

    it('knows the wallets that were linked by now', async () => {
      const { store, fill, link } = await open()
      const [a, b] = await fill(2)
      if (!a || !b) throw new Error('fill gave too little')
      const walletAddress = '0x1111111111111111111111111111111111111111'
      await link(a.contributorId, walletAddress)
      expect(await store.links([a.payee, b.payee])).toEqual([{ payee: a.payee, account: walletAddress }])
      expect(await store.links([])).toEqual([])
    })

    it('frees the records and ids of epochs that a dispute took back, and of no others', async () => {
      const { store, fill } = await open()
      const [a, b, c] = await fill(3)
      if (!a || !b || !c) throw new Error('fill gave too little')
      await store.saveBuilt(epoch([a]))
      await store.saveBuilt(epoch([b], 2))
      await store.saveBuilt(epoch([c], 3))
      await store.markConfirmed(LEDGER, 2, INCLUSION)
      expect(await store.reject(LEDGER, 3, 1)).toBe(0)
      expect(await store.reject(LEDGER, 1, 0)).toBe(0)
      expect(await store.reject({ ...LEDGER, chainId: 7 }, 1, 1)).toBe(0)
      expect(await store.reject(LEDGER, 1, 1)).toBe(2)
      expect(await store.unrecorded(10)).toEqual([b, c])
      expect(await store.lastEpoch(LEDGER)).toMatchObject({ epochId: 1 })
      // Epochs that were built after the dispute are not its business.
      await store.saveBuilt(epoch([b, c], 2, LEDGER, 1))
      expect(await store.reject(LEDGER, 1, 1)).toBe(0)
      expect(await store.reject(LEDGER, 1, 2)).toBe(1)
    })

    it('counts what waits to be recorded', async () => {
      const { store, fill } = await open()
      expect(await store.backlog()).toEqual({ records: 0, oldestSeconds: 0 })
      const [a] = await fill(2)
      if (!a) throw new Error('fill gave too little')
      expect((await store.backlog()).records).toBe(2)
      await store.saveBuilt(epoch([a]))
      expect((await store.backlog()).records).toBe(1)
    })
  })
}
