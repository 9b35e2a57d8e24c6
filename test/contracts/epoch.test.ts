import { SimpleMerkleTree, StandardMerkleTree } from '@openzeppelin/merkle-tree'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Balance, totalOf } from '../../contracts/ledger/epoch/balances.ts'
import { type EpochInput, buildEpoch, treesOf } from '../../contracts/ledger/epoch/epoch.ts'
import {
  type ContributionRecord,
  POINTS,
  allocationLeaf,
  bountyId,
  contributorCommitment,
  rewardLeaf,
  sessionKey,
} from '../../contracts/ledger/epoch/leaf.ts'
import { readManifest, writeManifest } from '../../contracts/ledger/epoch/manifest.ts'
import { type Market, NOTICE, type Offer } from '../../contracts/ledger/epoch/payout.ts'
import { proofBook, rewardBook } from '../../contracts/ledger/epoch/proofs.ts'
import { foldProof } from '../../client/src/ledger/proof.ts'
import type { Address } from '../../contracts/ledger/hex.ts'
import { ZERO_ADDRESS, ZERO_HASH } from '../helpers/hashes.ts'
import { GOOD_VOTE, NO_MARKET, payeeOf, testRecord } from '../helpers/ledger.ts'

const LEDGER = { chainId: 31_337, ledger: '0x5fbdb2315678afecb367f032d93f642f64180aa3' } as const

const DISTRIBUTOR = '0x00000000000000000000000000000000000000d1'

const account = fc.integer({ min: 1, max: 4 }).map((n): Address => `0x${String(n).repeat(40)}`)

/** Records with distinct ids; some people have a wallet, some have none. */
const records: fc.Arbitrary<ContributionRecord[]> = fc
  .uniqueArray(fc.integer({ min: 0, max: 5_000 }), { minLength: 1, maxLength: 40 })
  .chain((numbers) =>
    fc.tuple(
      ...numbers.map((n) =>
        fc
          .record({
            walletAddress: fc.option(account),
            used: fc.boolean(),
            who: fc.integer({ min: 0, max: 5 }),
            comparable: fc.constantFrom(0, 9, 10, 30),
          })
          .map(({ walletAddress, used, who, comparable }) =>
            testRecord(n, {
              walletAddress,
              comparable,
              usedInStep: used ? 7 : null,
              contributorId: `person ${who}`,
              sessionId: n % 3 ? 'demo' : 'other',
            }),
          ),
      ),
    ),
  )

const input = (of: readonly ContributionRecord[], over: Partial<EpochInput> = {}): EpochInput => ({
  ledger: LEDGER,
  epochId: 1,
  rejections: 0,
  records: of,
  distributor: DISTRIBUTOR,
  previous: null,
  links: [],
  market: NO_MARKET,
  ...over,
})

/** Bounties for the two sessions, some poor, some closed. */
const market: fc.Arbitrary<Market> = fc
  .array(
    fc.record({
      sessionId: fc.constantFrom('demo', 'other', 'unknown'),
      sponsor: account,
      perCredit: fc.bigInt({ min: 0n, max: 10n ** 20n }),
      funded: fc.bigInt({ min: 0n, max: 10n ** 22n }),
      closedAt: fc.constantFrom(0, 0, 1_000),
    }),
    { maxLength: 5 },
  )
  .map((offers) => ({ block: 1n, time: 1_000 + NOTICE + 1, rejectedAt: 0, offers: uniqueOffers(offers) }))

function uniqueOffers(
  offers: readonly (Omit<Offer, 'bounty' | 'session' | 'token'> & { sessionId: string })[],
): Offer[] {
  const all = offers.map(({ sessionId, ...offer }) => {
    const session = sessionKey(sessionId)
    return {
      ...offer,
      session,
      token: ZERO_ADDRESS,
      bounty: bountyId(LEDGER.chainId, DISTRIBUTOR, session, offer.sponsor, ZERO_ADDRESS),
    }
  })
  return [...new Map(all.map((offer) => [offer.bounty, offer])).values()]
}

const linksOf = (wallets: readonly Address[]) =>
  wallets.map((walletAddress, who) => ({ payee: payeeOf(`person ${who}`), account: walletAddress }))

const balancesOf = (manifest: string): Balance[] =>
  readManifest(manifest).balances.map(({ pot, holder, amount }) => ({ pot, holder, amount: BigInt(amount) }))

describe('an epoch', () => {
  it('C1 holds no record twice', () => {
    fc.assert(
      fc.property(records, fc.nat(), (list, at) => {
        const twice = [...list, list[at % list.length] ?? testRecord(0)]
        expect(() => buildEpoch(input(twice))).toThrow(expect.objectContaining({ code: 'record-twice' }))
      }),
    )
  })

  it('is the same bytes whoever builds it, and other bytes for other records', () => {
    fc.assert(
      fc.property(records, (list) => {
        const built = buildEpoch(input(list))
        expect(buildEpoch(input(structuredClone(list)))).toEqual(built)
        const [first = testRecord(0), ...rest] = list
        const changed = buildEpoch(input([{ ...first, sessionId: 'elsewhere' }, ...rest]))
        expect(changed.contributionsRoot).not.toBe(built.contributionsRoot)
        expect(changed.manifestHash).not.toBe(built.manifestHash)
      }),
    )
  })

  it('pays people alike in whatever order their records, links and bounties come', () => {
    fc.assert(
      fc.property(
        records.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        fc.array(account, { maxLength: 6 }),
        market,
        ([list, shuffled], wallets, offered) => {
          const links = linksOf(wallets)
          const a = buildEpoch(input(list, { links, market: offered }))
          const b = buildEpoch(
            input(shuffled, { links: links.toReversed(), market: { ...offered, offers: offered.offers.toReversed() } }),
          )
          expect(b.rewardsRoot).toBe(a.rewardsRoot)
          expect(balancesOf(b.manifest)).toEqual(balancesOf(a.manifest))
        },
      ),
    )
  })

  it('C2 over many epochs pays no more from a bounty than was funded; no balance of an account falls, none appears or is lost', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(records, fc.array(account, { maxLength: 6 })), { maxLength: 5 }),
        market,
        (epochs, offered) => {
          let previous = null
          let before: Balance[] = []
          let heldBefore = 0n
          for (const [i, [list, wallets]] of epochs.entries()) {
            const built = buildEpoch(
              input(list, { epochId: i + 1, previous, links: linksOf(wallets), market: offered }),
            )
            previous = readManifest(built.manifest)
            const after = balancesOf(built.manifest)
            const held = previous.standings.reduce((sum, line) => sum + BigInt(line.held), 0n)
            expect(totalOf(after, POINTS) + held).toBe(
              totalOf(before, POINTS) + heldBefore + built.leaves.reduce((sum, { credit }) => sum + credit, 0n),
            )
            heldBefore = held
            for (const { bounty, funded, before: allocated, payout } of previous.bounties) {
              expect(totalOf(after, bounty)).toBe(BigInt(allocated) + BigInt(payout))
              expect(totalOf(after, bounty)).toBeLessThanOrEqual(BigInt(funded))
              expect(totalOf(before, bounty)).toBe(BigInt(allocated))
            }
            const now = new Map(after.map(({ pot, holder, amount }) => [pot + holder, amount]))
            for (const { pot, holder, amount } of before)
              if (holder.length === 42) expect(now.get(pot + holder)).toBeGreaterThanOrEqual(amount)
            before = after
          }
        },
      ),
      { numRuns: 50 },
    )
  })

  it('refuses to forget a bounty that an earlier one has paid from', () => {
    const offers = uniqueOffers([{ sessionId: 'demo', sponsor: ZERO_ADDRESS, perCredit: 1n, funded: 10n, closedAt: 0 }])
    const first = buildEpoch(input([testRecord(1)], { market: { ...NO_MARKET, offers } }))
    const previous = readManifest(first.manifest)
    expect(() => buildEpoch(input([testRecord(2)], { epochId: 2, previous }))).toThrow(
      expect.objectContaining({ code: 'bad-record' }),
    )
  })

  it('C3 gives each record a proof to its root', () => {
    fc.assert(
      fc.property(records, (list) => {
        const built = buildEpoch(input(list))
        const book = proofBook(built.manifest, ZERO_HASH)
        for (const [i, { leaf }] of built.leaves.entries()) {
          const proof = book.proof(i)
          expect(proof.leaf).toBe(leaf)
          expect(foldProof(leaf, proof.proof)).toBe(built.contributionsRoot)
        }
        expect(() => book.proof(list.length)).toThrow(expect.objectContaining({ code: 'bad-record' }))
      }),
      { numRuns: 30 },
    )
  })

  it('has the root of OpenZeppelin’s own standard tree', () => {
    const built = buildEpoch(input(Array.from({ length: 37 }, (_, n) => testRecord(n))))
    const values = built.leaves.map(({ fields: f }) => [
      f.chainId,
      f.ledger,
      f.epochId,
      f.index,
      f.session,
      f.contributor,
      f.kind,
      f.credit,
      f.recordHash,
    ])
    const contributions = StandardMerkleTree.of(values, [
      'uint256',
      'address',
      'uint256',
      'uint256',
      'bytes32',
      'bytes32',
      'uint8',
      'uint256',
      'bytes32',
    ])
    const leaves = [...contributions.entries()].map(([, value]) => contributions.leafHash(value))
    expect(built.leaves.map(({ leaf }) => leaf)).toEqual(leaves)
    const { contributions: all } = treesOf(readManifest(built.manifest))
    expect(SimpleMerkleTree.of(all).root).toBe(built.contributionsRoot)
  })

  it('without a wallet or a bounty in it has the zero rewards root', () => {
    expect(buildEpoch(input([testRecord(1)])).rewardsRoot).toBe(ZERO_HASH)
  })

  it('gives an account the proof of each of its claims, and a sponsor that of what is owed', () => {
    fc.assert(
      fc.property(records, market, (list, offered) => {
        const built = buildEpoch(input(list, { market: offered }))
        const book = rewardBook(built.manifest)
        for (const { holder } of readManifest(built.manifest).balances) {
          const claims = holder.length === 42 ? book.claimsOf(holder) : []
          if (holder.length === 42)
            expect(claims.map(({ bounty, amount }) => ({ bounty, amount }))).toEqual(book.earnedBy(holder))
          for (const { bounty, account: who, amount, proof } of claims) {
            expect(foldProof(rewardLeaf(LEDGER, 1, bounty, who, amount), proof)).toBe(built.rewardsRoot)
          }
        }
        for (const { bounty } of offered.offers) {
          const owed = book.allocationOf(bounty)
          if (owed === null) throw new Error('a bounty is missing')
          expect(foldProof(allocationLeaf(LEDGER, 1, bounty, owed.allocated), owed.proof)).toBe(built.rewardsRoot)
        }
      }),
      { numRuns: 30 },
    )
  })
})

describe('the manifest', () => {
  it('says nothing of who or what: no id, no session, no payload, no salt', () => {
    const record = testRecord(1, {
      sessionId: 'a-session-id',
      payload: { rating: 8, sample: '0xabcdef', ...GOOD_VOTE },
    })
    const { manifest } = buildEpoch(input([record]))
    for (const secret of [record.recordId, record.contributorId, record.sessionId, record.salt, '0xabcdef', 'rating']) {
      expect(manifest).not.toContain(secret)
    }
  })

  it('does not show that two records are one person’s', () => {
    expect(contributorCommitment('ann', testRecord(1).salt)).not.toBe(contributorCommitment('ann', testRecord(2).salt))
  })

  it('reads back as it was written', () => {
    fc.assert(
      fc.property(records, (list) => {
        const { manifest } = buildEpoch(input(list))
        expect(writeManifest(readManifest(manifest))).toBe(manifest)
      }),
      { numRuns: 30 },
    )
  })

  it('that is damaged is refused', () => {
    const { manifest } = buildEpoch(input([testRecord(1), testRecord(2)]))
    for (const damaged of [
      '',
      manifest.slice(0, -400),
      manifest.replace('"index":0', '"index":"0"'),
      manifest + manifest,
    ]) {
      expect(() => readManifest(damaged)).toThrow(expect.objectContaining({ code: 'bad-manifest' }))
    }
    const replaced = manifest.replace(/"leaf":"0x./, '"leaf":"0xz')
    expect(() => proofBook(replaced, ZERO_HASH)).toThrow(expect.objectContaining({ code: 'bad-manifest' }))
  })
})
