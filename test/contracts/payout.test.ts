import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Balance, carry } from '../../contracts/ledger/epoch/balances.ts'
import { POINTS } from '../../contracts/ledger/epoch/leaf.ts'
import { NOTICE, type Offer, PERSON_PART, payoutOf, pricesOf, split } from '../../contracts/ledger/epoch/payout.ts'
import type { Hex } from '../../contracts/ledger/hex.ts'
import { ZERO_ADDRESS, ZERO_HASH } from '../helpers/hashes.ts'
import { payeeOf } from '../helpers/ledger.ts'

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
