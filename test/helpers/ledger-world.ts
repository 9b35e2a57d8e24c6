import { expect } from 'vitest'
import { distributorInterface, ledgerInterface } from '../../contracts/ledger/client/abi.ts'
import type { LedgerOptions } from '../../contracts/ledger/client/chain.ts'
import { POINTS, bountyId, sessionKey } from '../../contracts/ledger/epoch/leaf.ts'
import { readManifest } from '../../contracts/ledger/epoch/manifest.ts'
import type { LedgerChain } from '../../contracts/ledger/epoch/ports.ts'
import type { Address } from '../../contracts/ledger/hex.ts'
import { type RecorderDeps, createRecorder } from '../../contracts/recorder/recorder.ts'
import { STRANGER, type TestChain } from './chain.ts'
import { decodedEvent } from './decoded.ts'
import { type MemoryEpochStore, memoryEpochStore } from './epoch-store.ts'
import { ZERO_ADDRESS } from './hashes.ts'
import { type TestLedger, deployTestLedger, ledgerOf, sender, testRecord } from './ledger.ts'

const quiet = { info: () => undefined, error: () => undefined }
const clock = { now: () => Date.now(), sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)) }

/** A recorder that logs nothing and looks often. */
export function recorderOf(store: RecorderDeps['store'], ledger: LedgerChain, more: Partial<RecorderDeps> = {}) {
  return createRecorder({ store, chain: ledger, clock, log: quiet, pollMs: 5, confirmTimeoutMs: 5_000, ...more })
}

/** Every epoch that the ledger ever announced, in order. */
export async function announced(chain: TestChain, deployment: TestLedger) {
  const logs = await chain.provider.getLogs({ address: deployment.address, fromBlock: 0 })
  return logs.map((log) => decodedEvent(ledgerInterface, 'EpochSubmitted', log)).filter((event) => event !== null)
}

/** The chain holds what the store built, each epoch once and each record once. */
export async function expectWhole(chain: TestChain, store: MemoryEpochStore, deployment: TestLedger, records: number) {
  const events = await announced(chain, deployment)
  expect(events).toEqual(store.epochs.map(({ epochId, manifestHash }) => ({ epochId: BigInt(epochId), manifestHash })))
  for (const { epochId, contributionsRoot, rewardsRoot } of store.epochs) {
    expect(await ledgerOf(chain, deployment).epoch(epochId)).toMatchObject({ contributionsRoot, rewardsRoot })
  }
  expect(store.epochs.every(({ inclusion }) => inclusion !== null)).toBe(true)
  const recorded = store.epochs.flatMap(({ leaves }) => leaves.map(({ recordId }) => recordId))
  expect(recorded).toHaveLength(records)
  expect(new Set(recorded).size).toBe(records)
}

/** Everything of the epochs but the blocks at which their bounties were read. */
export const contentOf = (store: MemoryEpochStore) =>
  store.epochs.map(({ epochId, contributionsRoot, rewardsRoot, manifest }) => ({
    epochId,
    contributionsRoot,
    rewardsRoot,
    lines: manifest.split('\n').slice(1),
  }))

/** A chain with a funded bounty, and a log; `store()` is a new store over them. */
export async function openWorld(chain: TestChain) {
  const deployment = await deployTestLedger(chain)
  const { distributor, chainId } = deployment
  const key = { session: sessionKey('demo'), sponsor: STRANGER.address.toLowerCase() as Address, token: ZERO_ADDRESS }
  const bounty = { ...key, bounty: bountyId(chainId, distributor, key.session, key.sponsor, key.token) }
  await sender(chain, { address: distributor, abi: distributorInterface }).send(
    STRANGER.privateKey,
    'fund',
    [key.session, ZERO_ADDRESS, 1_000n, 3n],
    1_000n,
  )
  await chain.control.mine({ blocks: 10 })
  const records = Array.from({ length: 6 }, (_, n) =>
    testRecord(n, { walletAddress: n % 2 ? `0x${String(n).repeat(40)}` : null }),
  )
  const store = async () => {
    const fresh = memoryEpochStore()
    await fresh.add(...records)
    await fresh.offer(bounty)
    return fresh
  }
  return {
    deployment,
    store,
    ledger: (over: Partial<LedgerOptions> = {}) => ledgerOf(chain, deployment, { distributor, ...over }),
  }
}

/** Time that only the recorder's own waiting lets pass. */
export function ticking() {
  let time = 0
  return { now: () => time, sleep: async (ms: number) => void (time += ms) }
}

/** Time that passes as blocks do. */
export const blockClock = (chain: TestChain) => ({
  now: () => Date.now(),
  sleep: () => chain.control.mine({ blocks: 1 }),
})

/** What its epochs record and pay, whichever ledger and bounty that is. */
export const booksOf = (store: MemoryEpochStore) =>
  store.epochs.map(({ manifest }) => {
    const { contributions, balances } = readManifest(manifest)
    return {
      records: contributions.map(({ index, recordHash, credit }) => ({ index, recordHash, credit })),
      balances: balances.map(({ pot, holder, before, amount }) => ({ points: pot === POINTS, holder, before, amount })),
    }
  })
