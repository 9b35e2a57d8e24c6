import { StandardMerkleTree } from '@openzeppelin/merkle-tree'
import fc from 'fast-check'
import { type Address, zeroHash } from 'viem'
import { describe, expect, it } from 'vitest'
import { NO_BALANCES, accrue, totalPoints } from '../../contracts/balances.ts'
import { canonicalJson } from '../../contracts/canonical.ts'
import { creditOf } from '../../contracts/credit.ts'
import { type EpochInput, buildEpoch } from '../../contracts/epoch.ts'
import { type ContributionRecord, contributorCommitment } from '../../contracts/leaf.ts'
import { readManifest, writeManifest } from '../../contracts/manifest.ts'
import { proofBook } from '../../contracts/proofs.ts'
import { foldProof } from '../../client/src/proof.ts'
import { testRecord } from '../helpers/ledger.ts'

const LEDGER = { chainId: 31_337, ledger: '0x5fbdb2315678afecb367f032d93f642f64180aa3' } as const

const account = fc.integer({ min: 1, max: 4 }).map((n): Address => `0x${String(n).repeat(40)}`)
/** Records with distinct ids; some people have a wallet, some have none. */
const records: fc.Arbitrary<ContributionRecord[]> = fc
  .uniqueArray(fc.integer({ min: 0, max: 5_000 }), { minLength: 1, maxLength: 40 })
  .chain((numbers) =>
    fc.tuple(
      ...numbers.map((n) =>
        fc
          .record({ walletAddress: fc.option(account), used: fc.boolean(), who: fc.integer({ min: 0, max: 5 }) })
          .map(({ walletAddress, used, who }) =>
            testRecord(n, { walletAddress, usedInStep: used ? 7 : null, contributorId: `person ${who}` }),
          ),
      ),
    ),
  )
const input = (of: readonly ContributionRecord[], over: Partial<EpochInput> = {}): EpochInput => ({
  ledger: LEDGER,
  epochId: 1,
  rejections: 0,
  records: of,
  balances: NO_BALANCES,
  links: [],
  ...over,
})

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
        const changed = buildEpoch(input([{ ...first, sessionId: 'other' }, ...rest]))
        expect(changed.contributionsRoot).not.toBe(built.contributionsRoot)
        expect(changed.manifestHash).not.toBe(built.manifestHash)
      }),
    )
  })

  it('credits people alike in whatever order their records and links come', () => {
    fc.assert(
      fc.property(
        records.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        fc.array(account, { maxLength: 6 }),
        ([list, shuffled], wallets) => {
          const links = wallets.map((walletAddress, who) => ({ contributorId: `person ${who}`, walletAddress }))
          const a = buildEpoch(input(list, { links }))
          const b = buildEpoch(input(shuffled, { links: links.toReversed() }))
          expect(b.rewardsRoot).toBe(a.rewardsRoot)
          expect(b.balances).toEqual(a.balances)
        },
      ),
    )
  })

  it('neither makes nor loses a point, and no account’s points fall', () => {
    fc.assert(
      fc.property(fc.array(records, { maxLength: 4 }), (epochs) => {
        let balances = NO_BALANCES
        for (const [i, list] of epochs.entries()) {
          const links = list.flatMap(({ contributorId, walletAddress }) => (walletAddress ? [{ contributorId, walletAddress }] : []))
          const built = buildEpoch(input(list, { epochId: i + 1, balances, links }))
          const credits = built.leaves.reduce((sum, { credit }) => sum + credit, 0n)
          expect(totalPoints(built.balances)).toBe(totalPoints(balances) + credits)
          const now = new Map(built.balances.accounts.map(({ account, points }) => [account, points]))
          for (const { account, points } of balances.accounts) expect(now.get(account)).toBeGreaterThanOrEqual(points)
          balances = built.balances
        }
      }),
    )
  })

  it('C3 gives each record a proof to its root', () => {
    fc.assert(
      fc.property(records, (list) => {
        const built = buildEpoch(input(list))
        const book = proofBook(built.manifest, zeroHash)
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
    const values = built.leaves.map(({ fields: f }) => [f.chainId, f.ledger, f.epochId, f.index, f.session, f.contributor, f.kind, f.credit, f.recordHash])
    const tree = StandardMerkleTree.of(values, ['uint256', 'address', 'uint256', 'uint256', 'bytes32', 'bytes32', 'uint8', 'uint256', 'bytes32'])
    expect(tree.root).toBe(built.contributionsRoot)
  })

  it('without a wallet in it has the zero rewards root', () => {
    expect(buildEpoch(input([testRecord(1)])).rewardsRoot).toBe(zeroHash)
  })
})

describe('the manifest', () => {
  it('says nothing of who or what: no id, no session, no payload, no salt', () => {
    const record = testRecord(1, { sessionId: 'a-session-id', payload: { rating: 8, sample: '0xabcdef' } })
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
    for (const damaged of ['', manifest.slice(0, -400), manifest.replace('"index":0', '"index":"0"'), manifest + manifest]) {
      expect(() => readManifest(damaged)).toThrow(expect.objectContaining({ code: 'bad-manifest' }))
    }
    const replaced = manifest.replace(/"leaf":"0x./, '"leaf":"0xz')
    expect(() => proofBook(replaced, zeroHash)).toThrow(expect.objectContaining({ code: 'bad-manifest' }))
  })
})

describe('credits', () => {
  const of = (kind: ContributionRecord['kind'], payload: ContributionRecord['payload'], usedInStep: number | null = null) =>
    creditOf({ kind, payload, usedInStep })

  it('are those of the table', () => {
    expect(of('feedback', {}, 12)).toBe(100n)
    expect(of('feedback', {})).toBe(50n)
    expect(of('compute', { milliHours: 1_500, qualityBps: 8_000 })).toBe(120n)
    expect(of('training', { milliHours: 1, qualityBps: 10_000 })).toBe(0n)
    expect(of('validation', { qualityBps: 9_999 })).toBe(99n)
  })

  it('are refused, not guessed, where a measure is missing or out of range', () => {
    const bad: ContributionRecord['payload'][] = [{}, { milliHours: 1 }, { milliHours: -1, qualityBps: 1 }, { milliHours: 1, qualityBps: 10_001 }, { milliHours: 0.5, qualityBps: 1 }]
    for (const payload of bad) {
      expect(() => of('compute', payload)).toThrow(expect.objectContaining({ code: 'bad-record' }))
    }
  })

  it('of a person without a wallet wait, and move once to the account that they link', () => {
    const first = accrue(NO_BALANCES, [{ record: testRecord(1, { contributorId: 'ann' }), credit: 100n }], [])
    expect(first).toEqual({ accounts: [], unlinked: [{ contributorId: 'ann', points: 100n }] })
    const links = [{ contributorId: 'ann', walletAddress: '0x1111111111111111111111111111111111111111' as const }]
    const second = accrue(first, [{ record: testRecord(2, { contributorId: 'bob' }), credit: 50n }], links)
    expect(second.accounts).toEqual([{ account: '0x1111111111111111111111111111111111111111', points: 100n }])
    expect(accrue(second, [], links).accounts).toEqual(second.accounts)
  })
})

describe('canonical JSON', () => {
  it('is the same for the same value in any order of keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean())), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).toReversed())
        expect(canonicalJson(reversed)).toBe(canonicalJson(value))
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it('refuses what JSON cannot say', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, '\ud800', { at: new Date() as never }]) {
      expect(() => canonicalJson(value)).toThrow(expect.objectContaining({ code: 'bad-record' }))
    }
  })
})
