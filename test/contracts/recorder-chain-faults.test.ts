import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ledgerInterface } from '../../contracts/ledger/client/abi.ts'
import { accountOf } from '../helpers/accounts.ts'
import { ADMIN, RECORDER, STRANGER, type TestChain, startChain } from '../helpers/chain.ts'
import { type Fault, faulty, kill, reorganise } from '../helpers/chain-faults.ts'
import { memoryEpochStore } from '../helpers/epoch-store.ts'
import { deployTestLedger, ledgerOf, sender, testRecord } from '../helpers/ledger.ts'
import { blockClock, booksOf, expectWhole, openWorld, recorderOf, ticking } from '../helpers/ledger-world.ts'

let chain: TestChain
beforeAll(async () => {
  chain = await startChain()
})
afterAll(() => chain.stop())

describe('a reorganisation', () => {
  // A chain of its own: anvil's estimates are not to be trusted after one.
  let shaken: TestChain
  beforeAll(async () => {
    shaken = await startChain()
  })
  afterAll(() => shaken.stop())

  it('at any await of the recorder’s path, of one block or of all it has seen, leaves the same records and payouts, once', async () => {
    const run = async (fault: Fault) => {
      const { deployment, store: newStore, ledger: newLedger } = await openWorld(shaken)
      const [store, ledger] = [await newStore(), newLedger({ confirmations: 3 })]
      const recorder = recorderOf(faulty(store, fault), faulty(ledger, fault), { clock: blockClock(shaken) })
      while ((await recorder.closeEpoch()) !== null);
      // What was confirmed and is lost again is sent again at the next turn.
      await recorderOf(store, ledger, { clock: blockClock(shaken) }).closeEpoch()
      await expectWhole(shaken, store, deployment, 6)
      return booksOf(store)
    }
    const counting: Fault = { calls: 0, at: -1, when: 'after', strike: kill }
    const clean = await run(counting)
    expect(clean[0]?.balances.some(({ points }) => !points)).toBe(true)
    for (let at = 0; at < counting.calls; at++) {
      const depth = [1, 2, 6][at % 3] ?? 1
      expect(await run({ calls: 0, at, when: 'after', strike: () => reorganise(shaken, depth) })).toEqual(clean)
    }
    // Contracts of their own for each await: anvil forgets its snapshots where it reorganises.
  })
})

describe('a transaction', () => {
  const sentBy = () => chain.provider.getTransactionCount(RECORDER.address, 'latest')

  async function pool(work: () => Promise<void>) {
    await chain.control.setAutomine(false)
    try {
      await work()
    } finally {
      await chain.control.setAutomine(true)
      await chain.control.mine({ blocks: 1 })
    }
  }

  it('that waits too long is replaced by one that bids more', async () => {
    const { deployment, store: newStore, ledger: newLedger } = await openWorld(chain)
    const [store, ledger] = [await newStore(), newLedger()]
    const before = await sentBy()
    const hashes: string[] = []
    const watched = {
      ...store,
      markSent: (...args: Parameters<typeof store.markSent>) => (hashes.push(args[2]), store.markSent(...args)),
    }
    await pool(async () => {
      await expect(
        recorderOf(watched, ledger, { clock: ticking(), confirmTimeoutMs: 100, replaceAfterMs: 30 }).closeEpoch(),
      ).rejects.toMatchObject({ code: 'confirmation-timeout' })
    })
    expect(new Set(hashes).size).toBeGreaterThan(1)
    await recorderOf(store, ledger).closeEpoch()
    expect(await sentBy()).toBe(before + 1)
    await expectWhole(chain, store, deployment, 6)
  })

  it('goes before others of its account: into a gap, and over one that is stuck', async () => {
    const { deployment, store: newStore, ledger: newLedger } = await openWorld(chain)
    const [store, ledger] = [await newStore(), newLedger()]
    const wallet = accountOf(RECORDER.privateKey).connect(chain.provider)
    const nonce = await sentBy()
    const block = await chain.provider.getBlock('latest')
    const maxFeePerGas = 3n * (block?.baseFeePerGas ?? 0n) + 3_000_000_000n
    await pool(async () => {
      const stuck = {
        to: STRANGER.address,
        value: 1n,
        gasLimit: 21_000n,
        maxFeePerGas,
        maxPriorityFeePerGas: 2_000_000_000n,
      }
      await wallet.sendTransaction({ ...stuck, nonce })
      await wallet.sendTransaction({ ...stuck, nonce: nonce + 2 })
      await expect(
        recorderOf(store, ledger, { clock: ticking(), confirmTimeoutMs: 100 }).closeEpoch(),
      ).rejects.toMatchObject({ code: 'confirmation-timeout' })
    })
    await recorderOf(store, ledger).closeEpoch()
    expect(await sentBy()).toBe(nonce + 1)
    await expectWhole(chain, store, deployment, 6)
    await chain.control.dropAllTransactions()
  })

  it('that somebody replaced by another is sent anew', async () => {
    const { deployment, store: newStore, ledger: newLedger } = await openWorld(chain)
    const [store, ledger] = [await newStore(), newLedger()]
    const wallet = accountOf(RECORDER.privateKey).connect(chain.provider)
    const nonce = await sentBy()
    await pool(async () => {
      await expect(
        recorderOf(store, ledger, { clock: ticking(), confirmTimeoutMs: 30 }).closeEpoch(),
      ).rejects.toMatchObject({ code: 'confirmation-timeout' })
      await wallet.sendTransaction({
        to: STRANGER.address,
        nonce,
        gasLimit: 21_000n,
        maxFeePerGas: 90_000_000_000n,
        maxPriorityFeePerGas: 20_000_000_000n,
      })
    })
    await recorderOf(store, ledger).closeEpoch()
    expect(await sentBy()).toBe(nonce + 2)
    await expectWhole(chain, store, deployment, 6)
  })

  it('is not sent while the network asks more than the cap, and is when it asks less', async () => {
    const { deployment, store: newStore, ledger: newLedger } = await openWorld(chain)
    const [store, ledger] = [await newStore(), newLedger({ maxFeePerGas: 50_000_000_000n })]
    const before = await sentBy()
    await chain.control.setNextBlockBaseFeePerGas({ baseFeePerGas: 60_000_000_000n })
    await chain.control.mine({ blocks: 1 })
    await expect(recorderOf(store, ledger).closeEpoch()).rejects.toMatchObject({ code: 'fee-too-high' })
    expect(await sentBy()).toBe(before)
    await chain.control.setNextBlockBaseFeePerGas({ baseFeePerGas: 40_000_000_000n })
    await chain.control.mine({ blocks: 1 })
    await recorderOf(store, ledger).closeEpoch()
    await expectWhole(chain, store, deployment, 6)
    await chain.control.setNextBlockBaseFeePerGas({ baseFeePerGas: 1_000_000_000n })
    await chain.control.mine({ blocks: 1 })
  })
})

describe('an epoch that a dispute took back', () => {
  it('is built anew with what follows it, and nothing of it is sent again', async () => {
    const deployment = await deployTestLedger(chain, 3_600)
    const ledger = ledgerOf(chain, deployment)
    const contract = sender(chain, { address: deployment.address, abi: ledgerInterface })
    const store = memoryEpochStore()
    const recorder = recorderOf(store, ledger)
    for (let n = 1; n <= 3; n++) {
      await store.add(testRecord(n))
      await recorder.closeEpoch()
    }
    const [first, second] = store.epochs
    await contract.send(STRANGER.privateKey, 'dispute', [2n, 'wrong credit'])
    await contract.send(ADMIN.privateKey, 'resolve', [2n, true])
    expect(await recorder.closeEpoch()).toMatchObject({ epochId: 2, count: 2 })
    expect(store.epochs).toHaveLength(2)
    expect(store.epochs[0]).toBe(first)
    expect(store.epochs[1]).toMatchObject({ rejections: 1 })
    expect(store.epochs[1]?.contributionsRoot).not.toBe(second?.contributionsRoot)
    const there = await ledger.epoch(2)
    expect(there?.contributionsRoot).toBe(store.epochs[1]?.contributionsRoot)
    expect(await recorder.closeEpoch()).toBeNull()
    expect((await ledger.state()).lastEpochId).toBe(2)
  })

  it('is left alone until that decision is confirmed', async () => {
    const deployment = await deployTestLedger(chain, 3_600)
    const ledger = ledgerOf(chain, deployment, { confirmations: 3 })
    const contract = sender(chain, { address: deployment.address, abi: ledgerInterface })
    const store = memoryEpochStore()
    const recorder = recorderOf(store, ledger, { clock: blockClock(chain) })
    await store.add(testRecord(1))
    await recorder.closeEpoch()
    await contract.send(STRANGER.privateKey, 'dispute', [1n, ''])
    await contract.send(ADMIN.privateKey, 'resolve', [1n, true])
    expect(await recorder.closeEpoch()).toBeNull()
    expect(store.epochs[0]).toMatchObject({ rejections: 0 })
    await chain.control.mine({ blocks: 2 })
    expect(await recorder.closeEpoch()).toMatchObject({ epochId: 1 })
    expect(store.epochs).toMatchObject([{ rejections: 1 }])
  })
})

describe('a backlog', () => {
  it('past its limit is called out, whether or not the chain answers', async () => {
    const store = memoryEpochStore()
    await store.add(testRecord(1), testRecord(2), testRecord(3))
    const alarms: object[] = []
    const log = { info: () => undefined, error: (fields: object) => void alarms.push(fields) }
    const away = ledgerOf(chain, await deployTestLedger(chain), { rpcUrl: 'http://127.0.0.1:1' })
    await expect(recorderOf(store, away, { log, maxBacklog: 3 }).closeEpoch()).rejects.toMatchObject({
      code: 'unreachable',
    })
    expect(alarms).toEqual([])
    await expect(recorderOf(store, away, { log, maxBacklog: 2 }).closeEpoch()).rejects.toMatchObject({
      code: 'unreachable',
    })
    expect(alarms).toMatchObject([{ records: 3 }])
  })
})
