import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openLedger } from '../../contracts/ledger/client/chain.ts'
import { rewardBook } from '../../contracts/ledger/epoch/proofs.ts'
import type { LedgerChain } from '../../contracts/ledger/epoch/ports.ts'
import { deploySystem } from '../../scripts/deploy/system.ts'
import type { Hex } from '../../contracts/ledger/hex.ts'
import { hashOfBytes } from '../helpers/hashes.ts'
import { ADMIN, RECORDER, STRANGER, type TestChain, startChain } from '../helpers/chain.ts'
import { type Fault, Killed, faulty, kill } from '../helpers/chain-faults.ts'
import { memoryEpochStore } from '../helpers/epoch-store.ts'
import { deployTestLedger, ledgerOf, payeeOf, submit, testEpoch, testRecord } from '../helpers/ledger.ts'
import { announced, contentOf, expectWhole, openWorld, recorderOf, ticking } from '../helpers/ledger-world.ts'
import { describeEpochStore } from './epoch-store.ts'

let chain: TestChain
beforeAll(async () => {
  chain = await startChain()
})
afterAll(() => chain.stop())

describe('the recorder', () => {
  it('closes an epoch over what waits, and none where nothing does', async () => {
    const deployment = await deployTestLedger(chain)
    const store = memoryEpochStore()
    const recorder = recorderOf(store, ledgerOf(chain, deployment), { limit: 3 })
    expect(await recorder.closeEpoch()).toBeNull()
    await store.add(...Array.from({ length: 5 }, (_, n) => testRecord(n)))
    expect(await recorder.closeEpoch()).toMatchObject({ epochId: 1, count: 3 })
    expect(await recorder.closeEpoch()).toMatchObject({ epochId: 2, count: 2 })
    expect(await recorder.closeEpoch()).toBeNull()
    await expectWhole(chain, store, deployment, 5)
  })

  it('pays what waited to a wallet that was linked later', async () => {
    const store = memoryEpochStore()
    const recorder = recorderOf(store, ledgerOf(chain, await deployTestLedger(chain)))
    await store.add(testRecord(1, { contributorId: 'ann' }))
    await recorder.closeEpoch()
    await store.link('ann', '0x1111111111111111111111111111111111111111')
    await store.add(testRecord(2, { contributorId: 'bob' }))
    await recorder.closeEpoch()
    const book = rewardBook(store.epochs.at(-1)?.manifest ?? '')
    expect(book.pointsOf('0x1111111111111111111111111111111111111111')).toBe(100n)
    expect(book.pointsOf(payeeOf('ann'))).toBe(0n)
    expect(book.pointsOf(payeeOf('bob'))).toBe(100n)
  })

  it('called while it runs joins the call that runs', async () => {
    const deployment = await deployTestLedger(chain)
    const store = memoryEpochStore()
    await store.add(testRecord(1))
    const recorder = recorderOf(store, ledgerOf(chain, deployment))
    const [a, b] = await Promise.all([recorder.closeEpoch(), recorder.closeEpoch()])
    expect(a).toBe(b)
    await expectWhole(chain, store, deployment, 1)
  })

  it('waits for the confirmations that it was asked for, and after a timeout looks again', async () => {
    const deployment = await deployTestLedger(chain)
    const store = memoryEpochStore()
    await store.add(testRecord(1))
    const ledger = ledgerOf(chain, deployment, { confirmations: 3 })
    const recorder = recorderOf(store, ledger, { clock: ticking(), confirmTimeoutMs: 50 })
    await expect(recorder.closeEpoch()).rejects.toMatchObject({ code: 'confirmation-timeout' })
    expect(store.epochs[0]?.inclusion).toBeNull()
    await chain.control.mine({ blocks: 2 })
    expect(await recorder.closeEpoch()).toBeNull()
    await expectWhole(chain, store, deployment, 1)
  })

  it('whose transaction still waits in the pool does not send it again', async () => {
    const deployment = await deployTestLedger(chain)
    const store = memoryEpochStore()
    await store.add(testRecord(1))
    const ledger = ledgerOf(chain, deployment)
    await chain.control.setAutomine(false)
    const before = await chain.provider.getTransactionCount(RECORDER.address, 'pending')
    for (let i = 0; i < 2; i++) {
      await expect(
        recorderOf(store, ledger, { clock: ticking(), confirmTimeoutMs: 30 }).closeEpoch(),
      ).rejects.toMatchObject({ code: 'confirmation-timeout' })
    }
    expect(await chain.provider.getTransactionCount(RECORDER.address, 'pending')).toBe(before + 1)
    await chain.control.mine({ blocks: 1 })
    await chain.control.setAutomine(true)
    await recorderOf(store, ledger).closeEpoch()
    await expectWhole(chain, store, deployment, 1)
  })
})

describe('C4 a recorder that dies', () => {
  it('at any await of its path, once or twice, sends the same roots again or none', async () => {
    const { deployment, store: newStore, ledger: newLedger } = await openWorld(chain)
    const ledger = newLedger()
    const counting: Fault = { calls: 0, at: -1, when: 'before', strike: kill }
    const start = await chain.control.snapshot()
    const clean = await newStore()
    await recorderOf(faulty(clean, counting), faulty(ledger, counting)).closeEpoch()
    expect(counting.calls).toBeGreaterThan(15)
    let snapshot = start

    for (let at = 0; at < counting.calls; at++) {
      for (const when of ['before', 'after'] as const) {
        await chain.control.revert({ id: snapshot })
        snapshot = await chain.control.snapshot()
        const store = await newStore()
        for (const deathAt of [at, at % 9]) {
          const fault: Fault = { calls: 0, at: deathAt, when, strike: kill }
          await recorderOf(faulty(store, fault), faulty(ledger, fault))
            .closeEpoch()
            .catch((error: Error) => {
              if (!(error instanceof Killed)) throw error
            })
        }
        const last = recorderOf(store, ledger)
        while ((await last.closeEpoch()) !== null);
        expect(contentOf(store)).toEqual(contentOf(clean))
        await expectWhole(chain, store, deployment, 6)
      }
    }
  })

  it('after sending, unmarked, with its transaction unmined, records its epoch once', async () => {
    const { deployment, store: newStore, ledger: newLedger } = await openWorld(chain)
    const [ledger, store] = [newLedger(), await newStore()]
    await chain.control.setAutomine(false)
    const dying = { ...ledger, send: async (raw: Hex) => (await ledger.send(raw), kill()) }
    await expect(recorderOf(store, dying).closeEpoch()).rejects.toThrow(Killed)
    const second = recorderOf(store, ledger).closeEpoch()
    await new Promise((resolve) => setTimeout(resolve, 100))
    await chain.control.setAutomine(true)
    await chain.control.mine({ blocks: 1 })
    await second
    await expectWhole(chain, store, deployment, 6)
  })
})

describe('a chain', () => {
  it('that has lost confirmed epochs is sent the same again, in order', async () => {
    const deployment = await deployTestLedger(chain)
    const store = memoryEpochStore()
    const recorder = recorderOf(store, ledgerOf(chain, deployment), { limit: 2 })
    await store.add(testRecord(1), testRecord(2))
    await recorder.closeEpoch()
    const snapshot = await chain.control.snapshot()
    await store.add(testRecord(3), testRecord(4), testRecord(5))
    await recorder.closeEpoch()
    await recorder.closeEpoch()
    await chain.control.revert({ id: snapshot })
    expect(await announced(chain, deployment)).toHaveLength(1)
    expect(await recorder.closeEpoch()).toBeNull()
    await expectWhole(chain, store, deployment, 5)
  })

  it('that holds other content under an epoch’s id stops the recorder', async () => {
    const deployment = await deployTestLedger(chain)
    const ledger = ledgerOf(chain, deployment)
    const store = memoryEpochStore()
    const other = testEpoch(ledger.ledger, [testRecord(9)])
    await store.add(testRecord(1))
    const raced: LedgerChain = {
      ...ledger,
      async sign(epoch, bumps) {
        await submit(chain, ledger, other)
        return ledger.sign(epoch, bumps)
      },
    }
    for (const chainOf of [raced, ledger])
      await expect(recorderOf(store, chainOf).closeEpoch()).rejects.toMatchObject({
        code: 'epoch-mismatch',
        message: expect.stringContaining('holds other content'),
      })
    expect(store.epochs[0]?.inclusion).toBeNull()
  })

  it('that knows epochs which the database does not stops the recorder', async () => {
    const deployment = await deployTestLedger(chain)
    const ledger = ledgerOf(chain, deployment)
    const first = memoryEpochStore()
    await first.add(testRecord(1))
    await recorderOf(first, ledger).closeEpoch()
    const restored = memoryEpochStore()
    await restored.add(testRecord(1))
    await expect(recorderOf(restored, ledger).closeEpoch()).rejects.toMatchObject({ code: 'ledger-ahead' })
  })

  it('that is down, reset, or another one is told apart, and nothing is lost', async () => {
    const store = memoryEpochStore()
    await store.add(testRecord(1))
    const deployment = await deployTestLedger(chain)
    const open = (over: Partial<Parameters<typeof openLedger>[0]>) =>
      recorderOf(
        store,
        openLedger({
          rpcUrl: chain.rpcUrl,
          address: deployment.address,
          chainId: chain.chainId,
          privateKey: RECORDER.privateKey,
          ...over,
        }),
      )
    await expect(open({ rpcUrl: 'http://127.0.0.1:1' }).closeEpoch()).rejects.toMatchObject({ code: 'unreachable' })
    await expect(open({ address: STRANGER.address }).closeEpoch()).rejects.toMatchObject({ code: 'ledger-missing' })
    await expect(open({ chainId: 1 }).closeEpoch()).rejects.toMatchObject({ code: 'wrong-chain' })
    await expect(open({ privateKey: STRANGER.privateKey }).closeEpoch()).rejects.toMatchObject({ code: 'reverted' })
    expect(store.epochs.map(({ inclusion }) => inclusion)).toEqual([null])
    await open({}).closeEpoch()
    await expectWhole(chain, store, deployment, 1)
  })

  it('that was stopped or killed goes on from its state file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'attune-chain-'))
    const state = join(folder, 'state.json')
    const store = memoryEpochStore()
    const deploy = (on: TestChain) =>
      deploySystem({ rpcUrl: on.rpcUrl, privateKey: ADMIN.privateKey, recorder: RECORDER.address })
    const heads: bigint[] = []
    try {
      for (const end of ['stop', 'kill', 'stop'] as const) {
        const kept = await startChain({ state })
        const { chainId, contracts } = await deploy(kept)
        expect(contracts.ledger.txHash === null).toBe(heads.length > 0)
        await store.add(testRecord(heads.length))
        const closed = await recorderOf(
          store,
          ledgerOf(kept, { chainId, address: contracts.ledger.address }),
        ).closeEpoch()
        expect(closed?.epochId).toBe(heads.length + 1)
        heads.push(BigInt(await kept.provider.getBlockNumber()))
        if (end === 'kill') await new Promise((resolve) => setTimeout(resolve, 2_000))
        await kept[end]()
      }
      expect(heads).toEqual([3n, 4n, 5n])
      await rm(state)
      const reset = await startChain({ state })
      const { chainId, contracts } = await deploy(reset)
      expect(contracts.ledger.txHash).not.toBeNull()
      const ledger = ledgerOf(reset, { chainId, address: contracts.ledger.address })
      expect(await recorderOf(store, ledger).closeEpoch()).toBeNull()
      expect((await ledger.state()).lastEpochId).toBe(3)
      await reset.stop()
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describeEpochStore('in memory', async () => {
  const store = memoryEpochStore()
  let filled = 0
  return {
    store,
    async fill(count) {
      const records = Array.from({ length: count }, () => {
        filled += 1
        return testRecord(filled, { contributorId: hashOfBytes(`0x0${filled}` as Hex) })
      })
      await store.add(...records)
      return records
    },
    link: store.link,
  }
})
