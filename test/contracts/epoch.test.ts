import { SimpleMerkleTree, StandardMerkleTree } from '@openzeppelin/merkle-tree'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Balance, carry, totalOf } from '../../contracts/ledger/epoch/balances.ts'
import { canonicalJson } from '../../contracts/ledger/epoch/canonical.ts'
import { creditOf, whyNothing } from '../../contracts/ledger/epoch/credit.ts'
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
import {
  type Market,
  NOTICE,
  type Offer,
  PERSON_PART,
  payoutOf,
  pricesOf,
  split,
} from '../../contracts/ledger/epoch/payout.ts'
import { proofBook, rewardBook } from '../../contracts/ledger/epoch/proofs.ts'
import { foldProof } from '../../client/src/ledger/proof.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
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

describe('credits', () => {
  const of = (
    kind: ContributionRecord['kind'],
    payload: ContributionRecord['payload'],
    usedInStep: number | null = null,
  ) => creditOf({ kind, payload, usedInStep })

  it('are those of the table', () => {
    expect(of('feedback', GOOD_VOTE, 12)).toBe(100n)
    expect(of('feedback', { ...GOOD_VOTE, corrects: 'a vote', credit: 60 })).toBe(60n)
    expect(of('compute', { milliHours: 1_500, qualityBps: 8_000 })).toBe(120n)
    expect(of('training', { milliHours: 1, qualityBps: 10_000 })).toBe(0n)
    expect(of('validation', { qualityBps: 9_999 })).toBe(99n)
  })

  it('are none for a vote on a text or a closed answer, of no weight, that no update used or that changed nothing; and each has its reason', () => {
    const why = (more: ContributionRecord['payload'], usedInStep: number | null = 12) => {
      const record = { kind: 'feedback' as const, payload: { ...GOOD_VOTE, ...more }, usedInStep }
      expect(creditOf(record)).toBe(0n)
      return whyNothing(record)
    }
    expect(why({ produced: false })).toBe('text')
    expect(why({ late: true })).toBe('closed')
    expect(why({ weight: null, reliability: null, updated: null }, null)).toBe('unused')
    expect(why({ weight: 0 })).toBe('no-weight')
    expect(why({ reliability: 0 })).toBe('no-weight')
    expect(why({ updated: false })).toBe('no-change')
    // An appeal makes neither a text an answer nor a late vote an early one.
    expect(why({ corrects: 'a vote', credit: 100, produced: false })).toBe('text')
    expect(why({ corrects: 'a vote', credit: 100, late: true })).toBe('closed')
    expect(whyNothing({ kind: 'validation', payload: {}, usedInStep: null })).toBeNull()
  })

  it('are refused, not guessed, where a measure is missing or out of range', () => {
    const bad: ContributionRecord['payload'][] = [
      {},
      { milliHours: 1 },
      { milliHours: -1, qualityBps: 1 },
      { milliHours: 1, qualityBps: 10_001 },
      { milliHours: 0.5, qualityBps: 1 },
    ]
    for (const payload of bad) {
      expect(() => of('compute', payload)).toThrow(expect.objectContaining({ code: 'bad-record' }))
    }
    for (const name of Object.keys(GOOD_VOTE)) {
      expect(() => of('feedback', { ...GOOD_VOTE, [name]: null }, 12), name).toThrow(
        expect.objectContaining({ code: 'bad-record' }),
      )
    }
  })
})

describe('a balance', () => {
  const earned = (holder: Hex, amount: bigint): Balance => ({ pot: POINTS, holder, amount })
  const [ann, bob] = [payeeOf('ann'), payeeOf('bob')]
  const wallet = '0x1111111111111111111111111111111111111111'

  it('of a person without a wallet waits, and moves once to the account that they link', () => {
    const first = carry([], [earned(ann, 100n)], [])
    expect(first).toEqual([{ ...earned(ann, 100n), before: 0n }])
    const second = carry(first, [earned(bob, 50n), earned(wallet, 7n)], [{ payee: ann, account: wallet }])
    expect(second).toEqual(
      [
        { ...earned(ann, 0n), before: 100n },
        { ...earned(wallet, 107n), before: 0n },
        { ...earned(bob, 50n), before: 0n },
      ].sort((a, b) => (a.holder < b.holder ? -1 : 1)),
    )
    const third = carry(second, [], [{ payee: ann, account: wallet }])
    expect(third.find(({ holder }) => holder === wallet)?.amount).toBe(107n)
    expect(third.some(({ holder }) => holder === ann)).toBe(false)
  })
})

describe('a payout', () => {
  const offer: Offer = {
    bounty: ZERO_HASH,
    session: ZERO_HASH,
    sponsor: ZERO_ADDRESS,
    token: ZERO_ADDRESS,
    perCredit: 3n,
    funded: 1_000n,
    closedAt: 0,
  }
  const at = (time: number, rejectedAt = 0) => ({ block: 0n, time, rejectedAt })

  it('is what everybody’s credits cost, and no more than is left', () => {
    expect(payoutOf(offer, 300n, 0n, at(0))).toBe(300n)
    expect(payoutOf(offer, 300n, 900n, at(0))).toBe(100n)
    expect(payoutOf(offer, 300n, 1_000n, at(0))).toBe(0n)
    expect(payoutOf({ ...offer, funded: 0n }, 300n, 500n, at(0))).toBe(0n)
  })

  it('gives one person a tenth of what was funded in one epoch, or one vote’s price where that is more', () => {
    const prices = (perCredit: bigint, funded: bigint) => [
      ...pricesOf(
        { perCredit, funded },
        new Map([
          ['a', 500n],
          ['b', 100n],
          ['c', 0n],
        ]),
      ).values(),
    ]
    expect(prices(3n, 100_000n)).toEqual([1_500n, 300n, 0n])
    expect(prices(3n, 10_000n)).toEqual([1_000n, 300n, 0n])
    expect(prices(3n, 1_000n)).toEqual([300n, 300n, 0n])
    expect(PERSON_PART).toBe(10n)
  })

  it('goes on for a day after its bounty was closed, and again after epochs were taken back', () => {
    const closed = { ...offer, closedAt: 1_000 }
    expect(payoutOf(closed, 3n, 0n, at(1_000 + NOTICE))).toBe(3n)
    expect(payoutOf(closed, 3n, 0n, at(1_001 + NOTICE))).toBe(0n)
    expect(payoutOf(closed, 3n, 0n, at(1_001 + NOTICE, 2_000))).toBe(3n)
    expect(payoutOf(closed, 3n, 0n, at(2_001 + NOTICE, 2_000))).toBe(0n)
  })

  it('is split whole by the largest remainder, each share within one unit of its exact size', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 24n }),
        fc.uniqueArray(fc.tuple(fc.string(), fc.bigInt({ min: 1n, max: 10n ** 6n })), {
          minLength: 1,
          selector: ([key]) => key,
        }),
        (total, weights) => {
          const shares = split(total, new Map(weights))
          const whole = weights.reduce((sum, [, weight]) => sum + weight, 0n)
          expect([...shares.values()].reduce((sum, share) => sum + share, 0n)).toBe(total)
          for (const [key, weight] of weights) {
            const off = (shares.get(key) ?? -1n) * whole - total * weight
            expect(off > -whole && off < whole).toBe(true)
          }
        },
      ),
    )
  })

  it('splits 10 by weights 1, 1, 1 as 4, 3, 3, the lower key first; and nothing where nobody earned', () => {
    expect(
      [
        ...split(
          10n,
          new Map([
            ['b', 1n],
            ['a', 1n],
            ['c', 1n],
          ]),
        ),
      ].sort(),
    ).toEqual([
      ['a', 4n],
      ['b', 3n],
      ['c', 3n],
    ])
    expect(split(10n, new Map())).toEqual(new Map())
  })
})

describe('canonical JSON', () => {
  it('is the same for the same value in any order of keys', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string({ unit: 'grapheme' }),
          fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean()),
        ),
        (value) => {
          const reversed = Object.fromEntries(Object.entries(value).toReversed())
          expect(canonicalJson(reversed)).toBe(canonicalJson(value))
          expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
        },
      ),
    )
  })

  it('refuses what JSON cannot say', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, '\ud800', { at: new Date() as never }]) {
      expect(() => canonicalJson(value)).toThrow(expect.objectContaining({ code: 'bad-record' }))
    }
  })
})
