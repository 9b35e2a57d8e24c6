import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Hex, keccak256 } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ledgerAbi } from '../../contracts/abi.ts'
import { NO_BALANCES } from '../../contracts/balances.ts'
import { openLedger } from '../../contracts/chain.ts'
import { buildEpoch } from '../../contracts/epoch.ts'
import { type LedgerChain, type RecorderDeps, createRecorder } from '../../contracts/recorder.ts'
import { deploySystem } from '../../scripts/deploy/system.ts'
import { ADMIN, RECORDER, STRANGER, type TestChain, startChain } from '../helpers/chain.ts'
import { type MemoryEpochStore, memoryEpochStore } from '../helpers/epoch-store.ts'
import { type TestLedger, deployTestLedger, ledgerOf, testRecord } from '../helpers/ledger.ts'
import { describeEpochStore } from './epoch-store.ts'

let chain: TestChain
beforeAll(async () => {
  chain = await startChain()
})
afterAll(() => chain.stop())

const quiet = { info: () => undefined }
const clock = { now: () => Date.now(), sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)) }

function recorderOf(store: RecorderDeps['store'], ledger: LedgerChain, more: Partial<RecorderDeps> = {}) {
  return createRecorder({ store, chain: ledger, clock, log: quiet, pollMs: 5, confirmTimeoutMs: 5_000, ...more })
}

/** Every epoch that the ledger ever announced, in order. */
async function announced(deployment: TestLedger) {
  const events = await chain.client.getContractEvents({
    address: deployment.address,
    abi: ledgerAbi,
    eventName: 'EpochSubmitted',
    fromBlock: 0n,
    strict: true,
  })
  return events.map(({ args }) => args)
}

/** The chain holds what the store built, each epoch once and each record once. */
async function expectWhole(store: MemoryEpochStore, deployment: TestLedger, records: number) {
  const events = await announced(deployment)
  expect(events).toEqual(store.epochs.map(({ epochId, manifestHash }) => ({ epochId: BigInt(epochId), manifestHash })))
  for (const { epochId, contributionsRoot, rewardsRoot } of store.epochs) {
    expect(await ledgerOf(chain, deployment).epoch(epochId)).toMatchObject({ contributionsRoot, rewardsRoot })
  }
  expect(store.epochs.every(({ inclusion }) => inclusion !== null)).toBe(true)
  const recorded = store.epochs.flatMap(({ leaves }) => leaves.map(({ recordId }) => recordId))
  expect(recorded).toHaveLength(records)
  expect(new Set(recorded).size).toBe(records)
}

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
    await expectWhole(store, deployment, 5)
  })

  it('pays what waited to a wallet that was linked later', async () => {
    const store = memoryEpochStore()
    const recorder = recorderOf(store, ledgerOf(chain, await deployTestLedger(chain)))
    await store.add(testRecord(1, { contributorId: 'ann' }))
    await recorder.closeEpoch()
    await store.link('ann', '0x1111111111111111111111111111111111111111')
    await store.add(testRecord(2, { contributorId: 'bob' }))
    await recorder.closeEpoch()
    expect(store.epochs.at(-1)?.balances).toEqual({
      accounts: [{ account: '0x1111111111111111111111111111111111111111', points: 100n }],
      unlinked: [{ contributorId: 'bob', points: 100n }],
    })
  })

  it('called while it runs joins the call that runs', async () => {
    const deployment = await deployTestLedger(chain)
    const store = memoryEpochStore()
    await store.add(testRecord(1))
    const recorder = recorderOf(store, ledgerOf(chain, deployment))
    const [a, b] = await Promise.all([recorder.closeEpoch(), recorder.closeEpoch()])
    expect(a).toBe(b)
    await expectWhole(store, deployment, 1)
  })

  it('waits for the confirmations that it was asked for, and after a timeout looks again', async () => {
    const deployment = await deployTestLedger(chain)
    const store = memoryEpochStore()
    await store.add(testRecord(1))
    const ledger = ledgerOf(chain, deployment)
    const recorder = recorderOf(store, ledger, { confirmations: 3, confirmTimeoutMs: 50 })
    await expect(recorder.closeEpoch()).rejects.toMatchObject({ code: 'confirmation-timeout' })
    expect(store.epochs[0]?.inclusion).toBeNull()
    await chain.control.mine({ blocks: 2 })
    expect(await recorder.closeEpoch()).toBeNull()
    await expectWhole(store, deployment, 1)
  })

  it('whose transaction still waits in the pool does not send it again', async () => {
    const deployment = await deployTestLedger(chain)
    const store = memoryEpochStore()
    await store.add(testRecord(1))
    const ledger = ledgerOf(chain, deployment)
    await chain.control.setAutomine(false)
    const before = await chain.client.getTransactionCount({ address: RECORDER.address, blockTag: 'pending' })
    for (let i = 0; i < 2; i++) {
      await expect(recorderOf(store, ledger, { confirmTimeoutMs: 30 }).closeEpoch()).rejects.toMatchObject({ code: 'confirmation-timeout' })
    }
    expect(await chain.client.getTransactionCount({ address: RECORDER.address, blockTag: 'pending' })).toBe(before + 1)
    await chain.control.mine({ blocks: 1 })
    await chain.control.setAutomine(true)
    await recorderOf(store, ledger).closeEpoch()
    await expectWhole(store, deployment, 1)
  })
})

/** Passes calls through, and dies at call number `at`: before its effect, or right after it. */
function mortal<T extends object>(target: T, life: { calls: number; at: number; after: boolean }): T {
  return new Proxy(target, {
    get(object, key, receiver) {
      const member: unknown = Reflect.get(object, key, receiver)
      if (typeof member !== 'function') return member
      return async (...args: unknown[]) => {
        const dies = life.calls++ === life.at
        if (dies && !life.after) throw new Error('killed')
        const result: unknown = await member.apply(object, args)
        if (dies) throw new Error('killed')
        return result
      }
    },
  })
}

describe('C4 a recorder that dies', () => {
  const records = Array.from({ length: 6 }, (_, n) => testRecord(n))

  it('at any await of its path, once or twice, sends the same roots again or none', async () => {
    const counting = { calls: 0, at: -1, after: false }
    const clean = memoryEpochStore()
    await clean.add(...records)
    const cleanLedger = ledgerOf(chain, await deployTestLedger(chain))
    await recorderOf(mortal(clean, counting), mortal(cleanLedger, counting)).closeEpoch()
    expect(counting.calls).toBeGreaterThan(10)

    for (let at = 0; at < counting.calls; at++) {
      for (const after of [false, true]) {
        const deployment = await deployTestLedger(chain)
        const ledger = ledgerOf(chain, deployment)
        const store = memoryEpochStore()
        await store.add(...records)
        for (const deathAt of [at, at % 7]) {
          const life = { calls: 0, at: deathAt, after }
          await recorderOf(mortal(store, life), mortal(ledger, life)).closeEpoch().catch((error: Error) => {
            if (error.message !== 'killed') throw error
          })
        }
        const built = store.epochs.map(({ contributionsRoot }) => contributionsRoot)
        await store.add(testRecord(100))
        const last = recorderOf(store, ledger)
        while ((await last.closeEpoch()) !== null);
        expect(store.epochs.map(({ contributionsRoot }) => contributionsRoot).slice(0, built.length)).toEqual(built)
        await expectWhole(store, deployment, 7)
      }
    }
  })

  it('after sending, unmarked, with its transaction unmined, records its epoch once', async () => {
    const deployment = await deployTestLedger(chain)
    const ledger = ledgerOf(chain, deployment)
    const store = memoryEpochStore()
    await store.add(...records)
    await chain.control.setAutomine(false)
    const lost = { ...store, markSent: () => Promise.reject(new Error('killed')) }
    await expect(recorderOf(lost, ledger).closeEpoch()).rejects.toThrow('killed')
    const second = recorderOf(store, ledger).closeEpoch()
    await new Promise((resolve) => setTimeout(resolve, 100))
    await chain.control.setAutomine(true)
    await chain.control.mine({ blocks: 1 })
    await second
    await expectWhole(store, deployment, 6)
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
    expect(await announced(deployment)).toHaveLength(1)
    expect(await recorder.closeEpoch()).toBeNull()
    await expectWhole(store, deployment, 5)
  })

  it('that holds other content under an epoch’s id stops the recorder', async () => {
    const deployment = await deployTestLedger(chain)
    const ledger = ledgerOf(chain, deployment)
    const store = memoryEpochStore()
    const other = buildEpoch({ ledger: ledger.ledger, epochId: 1, rejections: 0, records: [testRecord(9)], balances: NO_BALANCES, links: [] })
    await store.add(testRecord(1))
    const raced: LedgerChain = {
      ...ledger,
      async submit(epoch) {
        await ledger.submit(other)
        return ledger.submit(epoch)
      },
    }
    await expect(recorderOf(store, raced).closeEpoch()).rejects.toMatchObject({ code: 'reverted', message: expect.stringContaining('EpochAlreadyRecorded') })
    await expect(recorderOf(store, ledger).closeEpoch()).rejects.toMatchObject({ code: 'epoch-mismatch' })
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
      recorderOf(store, openLedger({ rpcUrl: chain.rpcUrl, address: deployment.address, chainId: chain.chainId, privateKey: RECORDER.privateKey, ...over }))
    await expect(open({ rpcUrl: 'http://127.0.0.1:1' }).closeEpoch()).rejects.toMatchObject({ code: 'unreachable' })
    await expect(open({ address: STRANGER.address }).closeEpoch()).rejects.toMatchObject({ code: 'ledger-missing' })
    await expect(open({ chainId: 1 }).closeEpoch()).rejects.toMatchObject({ code: 'wrong-chain' })
    await expect(open({ privateKey: STRANGER.privateKey }).closeEpoch()).rejects.toMatchObject({ code: 'reverted' })
    expect(store.epochs.map(({ inclusion }) => inclusion)).toEqual([null])
    await open({}).closeEpoch()
    await expectWhole(store, deployment, 1)
  })

  it('that was stopped or killed goes on from its state file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'attune-chain-'))
    const state = join(folder, 'state.json')
    const store = memoryEpochStore()
    const deploy = (on: TestChain) => deploySystem({ rpcUrl: on.rpcUrl, privateKey: ADMIN.privateKey, recorder: RECORDER.address })
    const heads: bigint[] = []
    try {
      for (const end of ['stop', 'kill', 'stop'] as const) {
        const kept = await startChain({ state })
        const { chainId, contracts } = await deploy(kept)
        expect(contracts.ledger.txHash === null).toBe(heads.length > 0)
        await store.add(testRecord(heads.length))
        const closed = await recorderOf(store, ledgerOf(kept, { chainId, address: contracts.ledger.address })).closeEpoch()
        expect(closed?.epochId).toBe(heads.length + 1)
        heads.push(await kept.client.getBlockNumber())
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
      expect(await ledger.lastEpochId()).toBe(3)
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
        return testRecord(filled, { contributorId: keccak256(`0x0${filled}` as Hex) })
      })
      await store.add(...records)
      return records
    },
    link: store.link,
  }
})
