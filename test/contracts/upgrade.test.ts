/** An installation whose chain holds an epoch of the format before this one goes on. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { distributorInterface } from '../../contracts/ledger/client/abi.ts'
import { bountyId, sessionKey } from '../../contracts/ledger/epoch/leaf.ts'
import { readManifest } from '../../contracts/ledger/epoch/manifest.ts'
import { rewardBook } from '../../contracts/ledger/epoch/proofs.ts'
import { verifyEpoch } from '../../scripts/verify-epoch/verify.ts'
import type { Address } from '../../contracts/ledger/hex.ts'
import { ZERO_ADDRESS } from '../helpers/hashes.ts'
import { STRANGER, type TestChain, startChain } from '../helpers/chain.ts'
import { memoryEpochStore } from '../helpers/epoch-store.ts'
import { formerEpoch } from '../helpers/former-epoch.ts'
import { deployTestLedger, ledgerOf, sender, submit, testRecord } from '../helpers/ledger.ts'
import { recorderOf } from '../helpers/ledger-world.ts'

let chain: TestChain
beforeAll(async () => {
  chain = await startChain()
})
afterAll(() => chain.stop())

it('an epoch of the former format is verified by the rules of its time, and the next one goes on from it by today’s', async () => {
  const deployment = await deployTestLedger(chain)
  const { distributor, chainId, address: contract } = deployment
  const ledger = ledgerOf(chain, deployment, { distributor })
  const key = { session: sessionKey('demo'), sponsor: STRANGER.address.toLowerCase() as Address, token: ZERO_ADDRESS }
  const bounty = bountyId(chainId, distributor, key.session, key.sponsor, key.token)
  await sender(chain, { address: distributor, abi: distributorInterface }).send(
    STRANGER.privateKey,
    'fund',
    [key.session, ZERO_ADDRESS, 10_000n, 3n],
    10_000n,
  )
  const [ann, ben] = [`0x${'a'.repeat(40)}`, `0x${'b'.repeat(40)}`] as const
  const old = [
    ...Array.from({ length: 12 }, (_, n) => testRecord(n, { walletAddress: ann, contributorId: 'ann' })),
    ...Array.from({ length: 3 }, (_, n) =>
      testRecord(100 + n, { walletAddress: ben, contributorId: 'ben', usedInStep: null }),
    ),
  ]
  const former = formerEpoch(ledger.ledger, old, await ledger.market([{ ...key, bounty }]), distributor)
  await submit(chain, ledger, former)
  const store = memoryEpochStore()
  await store.add(...old)
  await store.offer({ ...key, bounty })
  await store.saveBuilt(former)
  await store.markConfirmed(ledger.ledger, 1, {
    txHash: `0x${'0'.repeat(64)}`,
    blockNumber: 1n,
    blockHash: `0x${'0'.repeat(64)}`,
  })
  const verify = (epochId: number, manifest: string, previous?: string) =>
    verifyEpoch({
      epochId,
      manifest: new TextEncoder().encode(manifest),
      rpcUrl: chain.rpcUrl,
      contract,
      ...(previous !== undefined && { previous: new TextEncoder().encode(previous) }),
    })
  expect(await verify(1, former.manifest)).toMatchObject({ ok: true, wrong: [], credits: 1_350n })
  expect(rewardBook(former.manifest).earnedBy(ann)).toEqual([{ bounty, amount: 3_600n }])

  await store.add(
    ...Array.from({ length: 6 }, (_, n) => testRecord(200 + n, { walletAddress: ann, contributorId: 'ann' })),
    testRecord(300, { walletAddress: ben, contributorId: 'ben', comparable: 3 }),
  )
  expect(await recorderOf(store, ledger).closeEpoch()).toMatchObject({ epochId: 2, count: 7 })
  const next = store.epochs[1]?.manifest ?? ''
  expect(await verify(2, next, former.manifest)).toMatchObject({ ok: true, wrong: [] })
  const { header, standings, bounties } = readManifest(next)
  expect(header.format).toBe('attune-epoch-3')
  // Ann's 600 credits cost 1,800: one person takes a tenth of 10,000. Ben has to qualify.
  expect(bounties).toMatchObject([{ before: '4050', payout: '1000' }])
  expect(standings.map(({ counted, held }) => [counted, held]).sort()).toEqual([
    ['100', '100'],
    ['600', '0'],
  ])
  // What was built by the former rules and called an epoch of today's is none.
  const { wrong } = await verify(1, former.manifest.replace('attune-epoch-2', 'attune-epoch-3'))
  expect(wrong[0]).toMatchObject({ line: 1 })
})
