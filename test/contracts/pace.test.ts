import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BuiltEpoch, buildEpoch } from '../../contracts/ledger/epoch/epoch.ts'
import { type ContributionRecord, POINTS, bountyId, sessionKey } from '../../contracts/ledger/epoch/leaf.ts'
import { type Manifest, readManifest } from '../../contracts/ledger/epoch/manifest.ts'
import { PACE_KEPT, minutesOf, minutesText, openPace } from '../../contracts/ledger/epoch/pace.ts'
import type { Market } from '../../contracts/ledger/epoch/payout.ts'
import { QUALIFYING_VOTES } from '../../contracts/ledger/epoch/standing.ts'
import type { Address, Hex } from '../../contracts/ledger/hex.ts'
import { ZERO_ADDRESS } from '../helpers/hashes.ts'
import { GOOD_VOTE, payeeOf, testRecord } from '../helpers/ledger.ts'

const LEDGER = { chainId: 31_337, ledger: '0x5fbdb2315678afecb367f032d93f642f64180aa3' } as const
const DISTRIBUTOR = '0x00000000000000000000000000000000000000d1'
/** An hour of the clock, seconds since 1970. */
const NOON = 1_767_268_800
const HOUR = 3_600

/**
 * Builds epochs one after the other, each over some records; nothing is ever forgotten between them but by the
 * manifest.
 */
function chronicle(market: Omit<Market, 'time' | 'block' | 'rejectedAt'> = { offers: [] }) {
  let previous: Manifest | null = null
  const epochs: BuiltEpoch[] = []
  return {
    epochs,
    close(records: readonly ContributionRecord[], links: { payee: Hex; account: Address }[] = []): Manifest {
      const epochId = epochs.length + 1
      const built = buildEpoch({
        ledger: LEDGER,
        distributor: DISTRIBUTOR,
        epochId,
        rejections: 0,
        records,
        previous,
        links,
        market: { block: 1n, time: NOON, rejectedAt: 0, ...market },
      })
      epochs.push(built)
      previous = readManifest(built.manifest)
      return previous
    },
    points: () =>
      previous?.balances.filter(({ pot }) => pot === POINTS).reduce((sum, { amount }) => sum + BigInt(amount), 0n) ??
      0n,
  }
}
let number = 0
const votes = (count: number, over: Partial<ContributionRecord> = {}, every = 0): ContributionRecord[] =>
  Array.from({ length: count }, (_, n) => testRecord(++number, { contributorId: 'ann', at: NOON + n * every, ...over }))
const credits = ({ leaves }: BuiltEpoch) => leaves.reduce((sum, { credit }) => sum + credit, 0n)

describe('C5 a person’s pace', () => {
  it('pays an honest hour, one vote every six seconds, in full', () => {
    const log = chronicle()
    log.close(votes(600, {}, 6))
    expect(log.points()).toBe(60_000n)
  })

  it('pays ten minutes’ votes of a burst, and says why the others earned nothing', () => {
    const log = chronicle()
    log.close(votes(250))
    expect(log.points()).toBe(10_000n)
    expect(log.epochs[0]?.leaves.map(({ zero }) => zero)).toEqual(
      Array.from({ length: 250 }, (_, n) => (n < 100 ? null : 'pace')).sort((a, b) =>
        a === b ? 0 : a === null ? -1 : 1,
      ),
    )
  })

  it('counts an hour wherever it begins: two bursts on both sides of a full hour are one person’s work of that time', () => {
    const log = chronicle()
    log.close([...votes(700, { at: NOON - 540 }, 1), ...votes(700, { at: NOON + 60 }, 1)])
    const paid = log.epochs.flatMap(({ leaves }) => leaves).filter(({ credit }) => credit > 0n)
    expect(paid.length).toBeLessThanOrEqual(600)
    const all = chronicle()
    // As many as are ever taken of 59 minutes, and then of the two hours around.
    all.close(votes(2_400, { at: NOON - HOUR }, 3))
    expect(all.points()).toBeLessThanOrEqual(2n * 60_000n)
  })

  it('is one over all sessions, epochs and wallets', () => {
    const once = chronicle()
    once.close(votes(250))
    const spread = chronicle()
    for (let n = 0; n < 10; n++) {
      spread.close(
        votes(25, { sessionId: `room-${n}`, walletAddress: n % 3 === 0 ? null : `0x${String(n).repeat(40)}` }),
        n % 4 ? [] : [{ payee: payeeOf('ann'), account: `0x${'a'.repeat(40)}` }],
      )
    }
    expect(spread.points()).toBe(once.points())
    expect(spread.epochs.reduce((sum, epoch) => sum + credits(epoch), 0n)).toBe(10_000n)
  })

  it('counts each session’s answers for what that session says', () => {
    const log = chronicle()
    log.close([
      ...votes(8, { secondsPerAnswer: 60 }),
      ...votes(100, { sessionId: 'quick', secondsPerAnswer: 1, at: NOON + 1 }),
      ...votes(100, { sessionId: 'slow', secondsPerAnswer: 20, at: NOON + 2 }),
    ])
    expect(log.points()).toBe(100n * (8n + 100n + 1n))
  })

  it('does not mind in which order epochs take votes', () => {
    const [early, late] = [votes(60, { at: NOON }), votes(60, { at: NOON + 120 })]
    const log = chronicle()
    log.close(late)
    log.close(early)
    expect(log.points()).toBe(10_000n)
  })

  it('bounds also what is recorded days after it was cast', () => {
    const log = chronicle()
    log.close(votes(1, { contributorId: 'bob', at: NOON + 3 * 86_400 }))
    for (let n = 0; n < 5; n++) log.close(votes(100, { at: NOON }))
    expect(log.points()).toBe(100n + 10_000n)
  })

  it('is nobody else’s business', () => {
    const log = chronicle()
    log.close([...votes(200), ...votes(100, { contributorId: 'bob' })])
    expect(log.points()).toBe(20_000n)
  })

  it('counts what an appeal puts right, and a decision of one, as an answer each', () => {
    const log = chronicle()
    log.close(votes(99))
    const correction = { payload: { ...GOOD_VOTE, appealId: 'a', corrects: 'b', credit: 100 }, usedInStep: null }
    log.close(votes(3, correction))
    expect(log.points()).toBe(10_000n)
    expect(log.epochs[1]?.leaves.map(({ zero }) => zero).sort()).toEqual([null, 'pace', 'pace'])
    log.close(votes(1, { kind: 'validation', payload: { qualityBps: 10_000 }, usedInStep: null }))
    expect(log.points()).toBe(10_000n)
  })

  it('keeps a day of minutes, and no more', () => {
    const person: Hex = `0x${'1'.repeat(64)}`
    const pace = openPace(
      new Map([
        [
          person,
          new Map([
            [1_000, 6],
            [1_001, 60],
          ]),
        ],
      ]),
      1_000 + PACE_KEPT,
    )
    expect(pace.lines()).toEqual([{ person, before: '1001:60', worked: '1001:60' }])
    expect(
      minutesOf(
        minutesText(
          new Map([
            [7, 6],
            [3, 1],
          ]),
        ),
      ),
    ).toEqual(
      new Map([
        [3, 1],
        [7, 6],
      ]),
    )
  })
})

describe('a qualification', () => {
  it('pays nothing before ten votes were comparable, and then also for those, once', () => {
    const log = chronicle()
    expect(log.close(votes(6, { comparable: 5 }, 6)).standings).toMatchObject([
      { counted: '600', before: '0', held: '600', comparable: 5 },
    ])
    expect(log.points()).toBe(0n)
    expect(log.epochs[0]?.leaves.every(({ credit, held }) => credit === 100n && held)).toBe(true)
    // Somebody else's epoch in between: what is held stays held.
    log.close(votes(1, { contributorId: 'bob' }))
    expect(log.points()).toBe(100n)
    expect(log.close(votes(4, { comparable: QUALIFYING_VOTES, at: NOON + 60 }, 6)).standings).toMatchObject([
      { counted: '400', before: '600', held: '0' },
    ])
    expect(log.points()).toBe(100n + 1_000n)
    log.close(votes(1, { comparable: QUALIFYING_VOTES, at: NOON + 120 }))
    expect(log.points()).toBe(100n + 1_100n)
  })

  it('is shown also by a vote that itself earns nothing', () => {
    const log = chronicle()
    log.close(votes(6, { comparable: 5 }, 6))
    log.close(votes(1, { comparable: QUALIFYING_VOTES, usedInStep: null, at: NOON + 60 }))
    expect(log.points()).toBe(600n)
  })

  it('is one session’s: who has qualified in a session of their own has gained nothing in another', () => {
    const log = chronicle()
    log.close([...votes(20, { sessionId: 'own' }), ...votes(20, { sessionId: 'theirs', comparable: 0 })])
    expect(log.points()).toBe(2_000n)
  })

  it('is a person’s: several who had one wallet in turn qualify each by themselves', () => {
    const log = chronicle()
    const walletAddress = `0x${'7'.repeat(40)}` as const
    for (const contributorId of ['ann', 'bob', 'cid'])
      log.close(votes(9, { contributorId, walletAddress, comparable: 9 }))
    log.close(votes(1, { contributorId: 'dan', walletAddress }))
    expect(log.points()).toBe(100n)
  })

  it('pays what was held to the wallet that its author has by then', () => {
    const log = chronicle()
    const [first, second] = [`0x${'1'.repeat(40)}`, `0x${'2'.repeat(40)}`] as const
    log.close(votes(9, { walletAddress: first, comparable: 9 }))
    const { balances } = log.close(votes(1, { walletAddress: second }))
    expect(balances.map(({ holder, amount }) => [holder, amount])).toEqual([[second, '1000']])
  })

  it('holds nothing back of what is no vote', () => {
    const log = chronicle()
    log.close(votes(1, { kind: 'validation', payload: { qualityBps: 10_000 }, usedInStep: null, comparable: 0 }))
    expect(log.points()).toBe(100n)
  })
})

describe('a manifest’s standings and paces', () => {
  it('say nothing of who: no payee, no wallet, nor that a person of one session is one of another', () => {
    const log = chronicle()
    const walletAddress = `0x${'5'.repeat(40)}` as const
    const { standings, paces } = log.close([
      ...votes(3, { walletAddress, comparable: 2 }),
      ...votes(3, { walletAddress, sessionId: 'other' }),
    ])
    const persons = [...standings, ...paces].map(({ person }) => person)
    expect(new Set(persons).size).toBe(3)
    expect(JSON.stringify([standings, paces])).not.toMatch(
      new RegExp(`${payeeOf('ann').slice(2)}|${walletAddress.slice(2)}`),
    )
  })
})

// ---------------------------------------------------------------- any strategy

/** What somebody may try with one vote. */
const trick = fc.record({
  after: fc.constantFrom(0, 0, 0, 1, 3, 6, 30, 59, 600, 3_500),
  many: fc.constantFrom(1, 1, 10, 150),
  session: fc.constantFrom('demo', 'other', 'third'),
  kind: fc.constantFrom(
    'open',
    'open',
    'open',
    'text',
    'closed',
    'weightless',
    'unreliable',
    'idle',
    'unused',
    'appealed',
  ),
  comparable: fc.constantFrom(0, 9, 10, 500),
  /** A new epoch begins before it. */
  close: fc.boolean(),
  wallet: fc.constantFrom<Address | null>(null, `0x${'1'.repeat(40)}`, `0x${'2'.repeat(40)}`),
  /** Recorded with a later epoch: its step came late. */
  delayed: fc.boolean(),
})
const seconds = { demo: 6, other: 6, third: 6 } as const
const payloads: Record<string, Partial<ContributionRecord>> = {
  open: {},
  text: { payload: { ...GOOD_VOTE, produced: false } },
  closed: { payload: { ...GOOD_VOTE, late: true } },
  weightless: { payload: { ...GOOD_VOTE, weight: 0 } },
  unreliable: { payload: { ...GOOD_VOTE, reliability: 0 } },
  idle: { payload: { ...GOOD_VOTE, updated: false } },
  unused: { usedInStep: null },
  appealed: { usedInStep: null, payload: { ...GOOD_VOTE, appealId: 'a', corrects: 'b', credit: 100 } },
}
/**
 * What an honest rater has earned who has voted every six seconds from the first second to the last, and that last one.
 */
const honest = (from: number, to: number) => 100n * BigInt(Math.floor((to - from) / 6) + 1)

describe('C5 no strategy of one person', () => {
  it('earns more than an honest rater’s pace, whatever mix of texts, answers, bursts, sessions, epochs, wallets and appeals it is', () => {
    fc.assert(
      fc.property(
        fc.array(trick, { minLength: 1, maxLength: 40 }),
        fc.bigInt({ min: 1n, max: 10n ** 15n }),
        (tricks, funded) => {
          const key = { session: sessionKey('demo'), sponsor: ZERO_ADDRESS, token: ZERO_ADDRESS }
          const bounty = bountyId(LEDGER.chainId, DISTRIBUTOR, key.session, ZERO_ADDRESS, ZERO_ADDRESS)
          const log = chronicle({ offers: [{ ...key, bounty, perCredit: 10n ** 10n, funded, closedAt: 0 }] })
          const cast: { at: number; recordId: string }[] = []
          let [at, now, later]: [number, ContributionRecord[], ContributionRecord[]] = [NOON, [], []]
          const close = () => {
            if (now.length > 0) log.close(now)
            ;[now, later] = [later, []]
          }
          for (const { after, many, session, kind, comparable, close: first, wallet, delayed } of tricks) {
            at += after
            if (first) close()
            const made = votes(many, {
              at,
              sessionId: session,
              secondsPerAnswer: seconds[session],
              comparable,
              walletAddress: wallet,
              ...payloads[kind],
            })
            cast.push(...made.map(({ recordId }) => ({ at, recordId })))
            ;(delayed ? later : now).push(...made)
          }
          close()
          close()
          const leaves = new Map(
            log.epochs.flatMap((epoch) => epoch.leaves.map((leaf) => [leaf.recordId, leaf] as const)),
          )
          const paid = cast.flatMap((vote) => {
            const credit = leaves.get(vote.recordId)?.credit ?? 0n
            return credit > 0n ? [{ ...vote, credit }] : []
          })
          // In any hour, wherever it begins, no more than an honest hour.
          for (const { at: from } of paid) {
            const hour = paid
              .filter((vote) => vote.at >= from && vote.at < from + HOUR)
              .reduce((sum, { credit }) => sum + credit, 0n)
            expect(hour).toBeLessThanOrEqual(60_000n)
          }
          // In all, no more than an honest rater who began ten minutes before.
          const total = paid.reduce((sum, { credit }) => sum + credit, 0n)
          expect(total).toBeLessThanOrEqual(honest(NOON - 600, at + 60))
          expect(log.points()).toBeLessThanOrEqual(total)
          // C2, and the share of the pot.
          for (const [i, { manifest }] of log.epochs.entries()) {
            const { bounties, balances } = readManifest(manifest)
            expect(BigInt(bounties[0]?.before ?? 0) + BigInt(bounties[0]?.payout ?? 0)).toBeLessThanOrEqual(funded)
            const most = funded / 10n > 10n ** 12n ? funded / 10n : 10n ** 12n
            for (const { pot, holder, before, amount } of balances) {
              // A move may bring an account what a payee had; by itself nobody's grows by more than the share.
              if (pot !== POINTS && i > 0 && holder.length === 66)
                expect(BigInt(amount) - BigInt(before)).toBeLessThanOrEqual(most)
            }
          }
          // C1: each vote in one epoch.
          expect(leaves.size).toBe(cast.length)
          expect(log.epochs.reduce((sum, epoch) => sum + epoch.count, 0)).toBe(cast.length)
        },
      ),
      { numRuns: 50 },
    )
  }, 120_000)
})
