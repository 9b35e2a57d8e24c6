import { parseEther, parseUnits } from 'ethers'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Bounty } from '../../core/protocol/index.ts'
import { amountText, parseAmount, payNotice, reachOf } from '../../client/src/ledger/money.ts'

const ETH = { symbol: 'ETH', decimals: 18 }
const bounty = (more: Partial<Bounty>): Bounty => ({
  id: `0x${'11'.repeat(32)}`,
  sessionId: 'demo',
  sponsor: `0x${'22'.repeat(20)}`,
  token: `0x${'00'.repeat(20)}`,
  symbol: 'ETH',
  decimals: 18,
  funded: String(parseEther('1')),
  left: String(parseEther('1')),
  perCredit: String(parseEther('0.00001')),
  state: 'paying',
  closedAt: null,
  ...more,
})

describe('an amount', () => {
  test('is written to four digits, never more than it is', () => {
    const written = (text: string, decimals = 18) => amountText(parseUnits(text, decimals), { symbol: 'ETH', decimals })
    expect(
      ['0', '1', '0.5', '0.001234567', '1.99999', '12345.678', '1234567', '0.000000000000000001'].map((text) =>
        written(text),
      ),
    ).toEqual([
      '0 ETH',
      '1 ETH',
      '0.5 ETH',
      '0.001234 ETH',
      '1.999 ETH',
      '12\u202f345 ETH',
      '1\u202f234\u202f567 ETH',
      '0.000000000000000001 ETH',
    ])
    expect(written('7', 0)).toBe('7 ETH')
    expect(amountText(15n, { symbol: 'DUST', decimals: 255 })).toBe(`0.${'0'.repeat(253)}15 DUST`)
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 96n - 1n }), (amount) => {
        const read = parseUnits(amountText(amount, ETH).replace(/[^\d.]/g, ''), 18)
        return read <= amount && amount - read <= amount / 1_000n
      }),
    )
  })

  test('is read back in the smallest unit; what is none, nothing, or finer than the token is refused', () => {
    expect([' 1.5 ', '0,25', '3'].map((text) => parseAmount(text, 2))).toEqual([150n, 25n, 300n])
    for (const text of ['', '0', '-1', '1e3', '1.234', 'one', '1.', '.5', String(2n ** 96n), '9'.repeat(300)])
      expect(parseAmount(text, 2), text).toBeNull()
  })
})

test('a pot says how many votes it pays for, what an hour costs and how long it lasts', () => {
  const reach = (votesPerHour: number, pot = '1') => reachOf(parseEther(pot), parseEther('0.001'), votesPerHour, ETH)
  expect(reach(120.4)).toBe(
    'Pays for 1000 more votes. At the present pace, 120 votes an hour, that lasts about 8 hours, and an hour of the crowd costs 0.12 ETH.',
  )
  expect([6_000, 1].map((pace) => /lasts (.*?),/.exec(reach(pace))?.[1])).toEqual(['about 10 minutes', 'about 42 days'])
  expect(reach(0, '0.001')).toBe('Pays for 1 more vote. Nobody is voting at present.')
  expect(reachOf(1n, 0n, 0, ETH)).toContain('Pays for 0 more votes.')
})

test('the crowd is told what a vote earns, and that it no longer does', () => {
  expect(payNotice([])).toBeNull()
  expect(payNotice([bounty({ state: 'unpriced' })])).toBeNull()
  expect(
    payNotice([bounty({}), bounty({ symbol: 'USDC', decimals: 6, perCredit: '500' }), bounty({ state: 'empty' })]),
  ).toEqual({
    paying: true,
    text: 'A vote that changes the model earns 0.001 ETH and 0.05 USDC, once ten of your votes here could be compared with other people’s; the earlier ones are then paid too.',
  })
  expect(payNotice([bounty({ state: 'empty' }), bounty({ state: 'closed' })])).toMatchObject({
    paying: false,
    text: expect.stringContaining('spent'),
  })
  expect(payNotice([bounty({ state: 'closed' })])).toMatchObject({
    paying: false,
    text: expect.stringContaining('closed'),
  })
})
